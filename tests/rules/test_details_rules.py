"""test-live-mix, revealable, no-ip-allowlist, impossible-dates and ownerless-name; and what all detail rules share."""

from datetime import timedelta

import pytest

from keyaudit.errors import ConfigError
from keyaudit.model import DetailsState, Override, Policy, RejectedRow, RuleSetting, Selector, Severity
from keyaudit.rules import all_rules
from tests.builders import NOW, audit, findings, key, only

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("test", "name", "prefix", "said"),
    [
        (True, "Checkout production", "rt_test_1", "a test key whose name says production"),
        (True, "prod-sync", "rt_test_1", "a test key whose name says production"),
        (True, "Checkout", "rt_live_1", "a test key whose prefix says production"),
        (False, "Checkout test", "rt_live_1", "a production key whose name says test"),
        (False, "Checkout", "rt_test_1", "a production key whose prefix says test"),
        (True, "Checkout test", "rt_test_1", None),
        (False, "Checkout production", "rt_live_1", None),
        (False, "Production test suite", "rt_live_1", None),
        (False, "Contest latest product alive", "runtype_1", None),
        (None, "Checkout production", "rt_test_1", None),
    ],
)
def test_environment_and_name_must_not_contradict(test: bool | None, name: str, prefix: str, said: str | None) -> None:
    found = findings("test-live-mix", key(name=name, prefix=prefix, test=test))
    assert ([] if said is None else [(Severity.MEDIUM, said)]) == [(f.severity, f.evidence) for f in found]


def test_the_words_of_an_environment_are_options() -> None:
    policy = only("test-live-mix", production="(?i)blue")
    assert 1 == len(findings("test-live-mix", key(name="Blue one", prefix="x", test=True), policy=policy))


@pytest.mark.parametrize(("revealable", "found"), [(True, 1), (False, 0), (None, 0)])
def test_a_key_that_can_be_read_back_is_low(revealable: bool | None, found: int) -> None:
    assert [Severity.LOW] * found == [f.severity for f in findings("revealable", key(revealable=revealable))]
    assert [] == findings("revealable", key(revealable=True, active=False))


@pytest.mark.parametrize(("addresses", "found"), [(0, 1), (1, 0), (None, 0)])
def test_a_key_without_addresses_counts_only_where_the_list_carries_them(addresses: int | None, found: int) -> None:
    assert [] == findings("no-ip-allowlist", key(allowed_ips=0))
    result = findings("no-ip-allowlist", key(allowed_ips=addresses), policy=only("no-ip-allowlist", enabled=True))
    assert [Severity.INFO] * found == [f.severity for f in result]


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        ({"used": DAY + SECOND, "created": DAY}, "used before it was created"),
        ({"used": DAY, "created": DAY}, None),
        ({"expires": -2 * DAY, "created": DAY, "used": None}, "ended before it was created"),
        ({"created": -timedelta(minutes=5), "used": None}, None),
        ({"created": -timedelta(minutes=5, seconds=1), "used": None}, "created in the future"),
        (
            {"created": -DAY, "used": DAY, "expires": DAY / 2},
            "created in the future, used before it was created, ended before it was created",
        ),
        ({"created": None, "used": None, "expires": None}, None),
    ],
)
@pytest.mark.parametrize("active", [True, False])
def test_dates_must_be_possible(dates: dict[str, timedelta | None], said: str | None, active: bool) -> None:
    found = findings("impossible-dates", key(active=active, **dates))  # type: ignore[arg-type]
    assert ([] if said is None else [(Severity.MEDIUM, said)]) == [(f.severity, f.evidence) for f in found]


# ---------------------------------------------------------------- owners


def owned(**more: object) -> Policy:
    return Policy(rules={"ownerless-name": RuleSetting(enabled=True, options=more)})


def test_a_name_without_an_owner_is_low_once_the_rule_is_on() -> None:
    assert [] == findings("ownerless-name", key(name="Billing"))
    found = findings("ownerless-name", key("a", "Billing"), key("b", "ops/nightly export"), policy=owned())
    assert [("a", Severity.LOW)] == [(f.key_id, f.severity) for f in found]


def test_owners_appear_with_findings_and_clean_keys_and_select() -> None:
    policy = Policy(
        rules=owned().rules,
        overrides=(Override(Selector(owners=("op?",)), {"never-used": RuleSetting(severity=Severity.CRITICAL)}),),
    )
    result = audit(
        key("a", " ops / export", used=None), key("b", "web/shop", used=None), key("c", "web/cart"), policy=policy
    )
    assert [("a", "ops", Severity.CRITICAL), ("b", "web", Severity.MEDIUM)] == [
        (f.key_id, f.owner, f.severity) for f in result.worst()
    ]
    assert ["web"] == list(result.clean_keys["owner"])


def test_an_owner_is_untrusted_text_too() -> None:
    result = audit(key(name="\x1b[2J/x", used=None), policy=owned())
    assert ["⟨U+001B⟩[2J"] == [f.owner for f in result.worst()]


@pytest.mark.parametrize("pattern", ["(.+)/(.+)", "(?P<owner>.+)/.+", ".+"])
def test_a_pattern_without_the_groups_is_a_mistake_of_the_config(pattern: str) -> None:
    with pytest.raises(ConfigError, match="named groups owner and purpose"):
        audit(key(), policy=owned(pattern=pattern))


# ---------------------------------------------------------------- without details

NEEDY = [name for name, rule in all_rules().items() if rule.needs_details]


def test_without_details_the_rules_that_need_them_are_not_evaluated_and_say_why() -> None:
    unread = DetailsState(read=False, reason="The API refused the list (403).")
    result = audit(key(created=None, expires=None, detailed=False), details=unread)
    states = {rule.name: (rule.state, rule.reason) for rule in result.rules if rule.name in NEEDY}
    why = "It needs the details of the keys. The API refused the list (403)."
    assert {("not evaluated", why), ("off", "")} == set(states.values())
    assert "not evaluated" not in {rule.state for rule in result.rules if rule.name not in NEEDY}
    assert {"not evaluated"} == {c.state for c in result.compliance if set(c.rules) & {"broad-permission", "no-expiry"}}


def test_a_key_whose_details_were_not_read_is_passed_over_by_them_alone() -> None:
    result = audit(
        key("a", "Ay", used=None, expires=None, ends=False, detailed=False),
        key("b", "Bee", used=None, expires=None, ends=False),
    )
    assert {("a", "never-used"), ("b", "never-used"), ("b", "no-expiry")} == {
        (f.key_id, f.rule) for f in result.worst()
    }


def test_rows_of_the_details_that_could_not_be_read_are_findings_and_lose_no_key() -> None:
    rows = (
        RejectedRow(0, "createdAt is text", "d0", id="a", name="Ay", list="details", kept=True),
        RejectedRow(1, "id is a number", "d1", list="details"),
        RejectedRow(2, "isActive is missing", "d2", id="a", list="details"),
    )
    result = audit(key("a", "Ay"), rejected=rows)
    found = {f.id: (f.severity, f.evidence) for f in result.worst()}
    assert {
        "default:unreadable-key:details/a": (
            Severity.HIGH,
            "row 2 of the details was not read: isActive is missing",
        ),
        "default:unreadable-key:details/row-d1": (
            Severity.HIGH,
            "row 1 of the details was not read: id is a number",
        ),
        "default:unreadable-key:details/a⟨2⟩": (
            Severity.MEDIUM,
            "row 0 of the details was not read whole: createdAt is text",
        ),
    } == found
    assert (2, 1, 1) == (result.counts.received, result.counts.read, result.counts.rejected)
    assert {"rows-rejected", "rows-partly-read"} == {note.code for note in result.notes}


def test_a_key_that_neither_list_could_tell_is_lost_once() -> None:
    rows = (
        RejectedRow(0, "isActive is missing", "d0", id="lost"),
        RejectedRow(0, "isActive is missing", "d0", id="lost", list="details"),
        RejectedRow(1, "id is missing", "d1", list="details"),
    )
    counts = audit(key("a", "Ay"), rejected=rows).counts
    assert (3, 1, 2) == (counts.received, counts.read, counts.rejected)


# ---------------------------------------------------------------- compliance


def compliance(*keys: dict[str, object], **more: object) -> dict[str, tuple[str, int, int]]:
    return {
        each.reference.clause: (each.state, each.findings, each.waived)
        for each in audit(*keys, **more).compliance  # type: ignore[arg-type]
    }


def test_a_clause_passes_fails_or_is_waived_with_its_rules() -> None:
    from keyaudit.model import Waiver

    clause = "CIS AWS Foundations Benchmark v7 2.11"
    waiver = Waiver(Selector(ids=("a",)), ("stale",), "agreed", "ops", NOW.date())
    assert ("pass", 0, 0) == compliance(key("a", "Ay"))[clause]
    assert ("fail", 1, 0) == compliance(key("a", "Ay", used=50 * DAY))[clause]
    assert ("waived", 0, 1) == compliance(key("a", "Ay", used=50 * DAY), waivers=(waiver,))[clause]
    assert ("fail", 1, 1) == compliance(key("a", "Ay", used=50 * DAY), key("b", "Bee", used=None), waivers=(waiver,))[
        clause
    ]


def test_a_remark_fails_no_clause() -> None:
    assert ("pass", 0, 0) == compliance(key(created=80 * DAY))["CIS AWS Foundations Benchmark v7 2.12"]


def test_a_clause_whose_rules_are_all_off_is_not_evaluated() -> None:
    policy = only("rotation-due", enabled=False)
    assert ("not evaluated", 0, 0) == compliance(key(), policy=policy)["CIS AWS Foundations Benchmark v7 2.12"]


def test_clauses_come_by_standard_and_number() -> None:
    clauses = [each.reference.clause for each in audit(key()).compliance]
    assert sorted(clauses, key=lambda c: c.rpartition(" ")[0]) == clauses
    assert clauses.index("NIST SP 800-53 r5 AC-2(3)") < clauses.index("NIST SP 800-53 r5 AC-6")
