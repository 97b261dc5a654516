"""count-mismatch, unreadable-key and too-many-active: what is wrong with the account as a whole."""

import pytest

from keyaudit.model import RejectedRow, Severity, Totals
from tests.builders import audit, findings, key, only

BAD_ROW = RejectedRow(index=1, problem="id is missing", digest="0123456789abcdef", name="Lost")


def mismatches(*keys: dict[str, object], **more: object) -> list[tuple[str, str]]:
    result = audit(*keys, **more)  # type: ignore[arg-type]
    return [(f.id.rpartition(":")[2], f.evidence) for f in result.worst() if f.rule == "count-mismatch"]


def test_totals_that_agree_are_no_finding() -> None:
    assert [] == mismatches(key("a"), key("b", active=False))


def test_each_total_that_disagrees_is_a_finding_of_its_own() -> None:
    assert [
        ("active", "activeKeys says 3, but the rows make it 1"),
        ("expired", "expiredKeys says 0, but the rows make it 1"),
        ("total", "totalKeys says 5, but the rows make it 2"),
    ] == mismatches(key("a"), key("b", active=False), totals=Totals(5, 3, 0))


def test_a_claim_of_too_few_is_a_mismatch_like_one_of_too_many() -> None:
    assert [("total", "totalKeys says 1, but the rows make it 2")] == mismatches(
        key("a"), key("b", active=False), totals=Totals(1, 1, 1)
    )


@pytest.mark.parametrize(("active", "found"), [(0, 1), (1, 0), (2, 0), (3, 1)])
def test_an_unreadable_row_may_be_active_or_not(active: int, found: int) -> None:
    result = mismatches(key("a"), rejected=(BAD_ROW,), totals=Totals(2, active, None))
    assert found == len(result)


def test_missing_totals_are_noted_and_no_mismatch() -> None:
    result = audit(key(), totals=Totals(None, 1, None))
    assert [] == list(result.worst())
    assert ["totals-missing"] == [note.code for note in result.notes]
    assert "totalKeys and no readable expiredKeys" in result.notes[0].text


def test_repeated_ids_are_named_and_every_row_is_still_audited() -> None:
    result = audit(key("a", "One", used=None), key("a", "Two", used=None), key("b", "Three"))
    found = list(result.worst())
    assert ["default:count-mismatch:duplicate-ids", "default:never-used:a", "default:never-used:a⟨2⟩"] == [
        f.id for f in found
    ]
    assert "1 id listed more than once: a" == found[0].evidence
    assert ["One", "Two"] == [f.key_name for f in found[1:]]


def test_many_repeated_ids_are_cut_after_three() -> None:
    twice = [key(f"id{n}", f"Name {chr(97 + n)}{chr(97 + n)}x") for n in range(5)] * 2
    ((_, evidence),) = mismatches(*twice)
    assert "5 ids listed more than once: id0, id1, id2 and 2 more ids" == evidence


@pytest.mark.parametrize(("asked_with_key", "found"), [(True, ["empty"]), (False, [])])
def test_an_empty_list_is_absurd_only_if_a_key_of_the_account_asked(asked_with_key: bool, found: list[str]) -> None:
    assert found == [subject for subject, _ in mismatches(asked_with_key=asked_with_key)]


def test_a_rejected_row_is_a_high_finding_with_what_could_be_read() -> None:
    result = audit(key(), rejected=(BAD_ROW,))
    (finding,) = result.worst()
    assert ("default:unreadable-key:row-0123456789abcdef", Severity.HIGH) == (finding.id, finding.severity)
    assert ("", "Lost", "") == (finding.key_id, finding.key_name, finding.key_prefix)
    assert "row 1 of the answer was not audited: id is missing" == finding.evidence
    assert None is finding.active


def test_equal_unreadable_rows_keep_ids_of_their_own() -> None:
    result = audit(key(), rejected=(BAD_ROW, BAD_ROW))
    assert ["default:unreadable-key:row-0123456789abcdef", "default:unreadable-key:row-0123456789abcdef⟨2⟩"] == [
        f.id for f in result.worst()
    ]


@pytest.mark.parametrize(("budget", "found"), [(2, 0), (1, 1)])
def test_the_budget_counts_active_keys_once_it_is_switched_on(budget: int, found: int) -> None:
    keys = (key("a", "One"), key("b", "Two"), key("c", "Three", active=False))
    policy = only("too-many-active", enabled=True, max_active=budget)
    assert found == len(findings("too-many-active", *keys, policy=policy))
    assert [] == findings("too-many-active", *keys, policy=only("too-many-active", max_active=0))


def test_hostile_text_in_evidence_is_made_visible() -> None:
    ((_, evidence),) = mismatches(key("x\x1b[2J"), key("x\x1b[2J"))
    assert "1 id listed more than once: x⟨U+001B⟩[2J" == evidence
