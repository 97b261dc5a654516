from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyaudit.errors import RuleCrashed
from keyaudit.evaluate import CLEAN_KEYS_LISTED, evaluate
from keyaudit.model import Override, Policy, RuleSetting, Selector, Severity, Waiver
from keyaudit.rules import Context, all_rules
from tests.builders import NOW, audit, key, only, snapshot

DAY = timedelta(days=1)


def waiver(**given: object) -> Waiver:
    fields: dict[str, object] = {
        "selector": Selector(ids=("*",)),
        "rules": ("*",),
        "reason": "agreed",
        "owner": "ops",
        "expires": NOW.date(),
    }
    return Waiver(**(fields | given))  # type: ignore[arg-type]


def test_every_rule_documents_itself() -> None:
    for name, rule in all_rules().items():
        assert name == type(rule).__module__.rpartition(".")[2].replace("_", "-")
        assert rule.title
        assert rule.rationale.endswith(".")
        assert rule.remediation.endswith(".")


def test_worst_comes_first_then_rule_then_the_longest_idle_then_the_id() -> None:
    result = audit(
        key("a", "Ay", used=50 * DAY),
        key("b", "Bee", used=60 * DAY),
        key("c", "Cee", used=95 * DAY),
        key("e", "Eee", used=60 * DAY),
        key("d", "Dee", used=None),
        key("f", "Eff", active=False),
    )
    assert [("c", "stale"), ("d", "never-used"), ("b", "stale"), ("e", "stale"), ("a", "stale"), ("f", "expired")] == [
        (f.key_id, f.rule) for f in result.worst()
    ]


@given(st.permutations(range(6)))
def test_the_order_of_the_keys_changes_nothing(order: list[int]) -> None:
    keys = [
        key("a", "Deploy", used=50 * DAY),
        key("b", "deploy 2", used=None),
        key("c", "Cron", used=95 * DAY),
        key("c", "Cron too", used=95 * DAY),
        key("e", "test", active=False),
        key("f", "Fine"),
    ]
    as_given, shuffled = audit(*keys), audit(*(keys[n] for n in order))
    pd.testing.assert_frame_equal(as_given.findings, shuffled.findings)
    pd.testing.assert_frame_equal(as_given.clean_keys, shuffled.clean_keys)
    assert as_given.counts == shuffled.counts


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), min_size=1, max_size=8), st.integers(0, 100))
def test_findings_on_idleness_only_grow_as_time_passes(ages: list[tuple[int, bool]], later: int) -> None:
    taken = snapshot(
        *(key(f"k{n}", f"Job {chr(97 + n)}x", used=age * DAY, active=active) for n, (age, active) in enumerate(ages))
    )
    before = {(f.id): f.severity for f in evaluate(taken, Policy()).worst()}
    after = {(f.id): f.severity for f in evaluate(replace(taken, now=NOW + later * DAY), Policy()).worst()}
    assert before.keys() <= after.keys()
    assert all(after[id] >= severity for id, severity in before.items())


def test_ids_name_account_rule_and_key() -> None:
    result = evaluate(snapshot(key("k-1", used=None)), Policy(), account="acme")
    assert ["acme:never-used:k-1"] == [f.id for f in result.worst()]


def test_counts_hold_what_every_format_shows() -> None:
    result = audit(
        key("a", "Ay", used=50 * DAY),
        key("b", "Bee", used=None),
        key("c", "Cee"),
        key("d", "Dee", active=False, used=None),
        waivers=(waiver(selector=Selector(ids=("b",))),),
    )
    counts = result.counts
    assert (4, 4, 0) == (counts.received, counts.read, counts.rejected)
    assert (3, 1, 2) == (counts.active, counts.inactive, counts.never_used)
    assert (2, 1, 1) == (counts.findings, counts.waived, counts.without_findings)
    assert {"expired": 1, "stale": 1} == counts.by_rule
    assert [
        (Severity.CRITICAL, 0),
        (Severity.HIGH, 0),
        (Severity.MEDIUM, 1),
        (Severity.LOW, 1),
        (Severity.INFO, 0),
    ] == list(counts.by_severity.items())
    assert ["c"] == list(result.clean_keys["id"])


def test_an_account_without_keys_is_a_result_like_any_other() -> None:
    result = audit()
    assert 0 == len(result.findings)
    assert 0 == sum(bar.keys for bar in result.use)
    assert (0,) == result.exit_codes


@pytest.mark.parametrize(("fail_on", "code"), [(Severity.HIGH, 0), (Severity.MEDIUM, 1), (Severity.LOW, 1), (None, 0)])
def test_the_exit_code_follows_fail_on(fail_on: Severity | None, code: int) -> None:
    assert (code,) == evaluate(snapshot(key(used=50 * DAY)), Policy(), fail_on=fail_on).exit_codes


def test_waived_findings_do_not_fail_the_audit() -> None:
    taken = snapshot(key(used=50 * DAY))
    assert (0,) == evaluate(taken, Policy(), (waiver(),), fail_on=Severity.INFO).exit_codes


def test_times_in_evidence_follow_the_zone() -> None:
    taken = snapshot(key("s", "Summer", used=NOW.replace(month=8)), key("w", "Winter", used=NOW.replace(month=1)))
    summer, winter = sorted(
        (f.evidence for f in evaluate(taken, Policy(), zone=ZoneInfo("Europe/Berlin")).worst()),
        key=lambda e: "Jan" in e,
    )
    assert "on 23 Aug 2026 14:00 CEST" in summer
    assert "on 23 Jan 2026 13:00 CET" in winter


# ---------------------------------------------------------------- waivers


def test_a_waiver_marks_and_never_hides() -> None:
    keys = (key("a", "Ay", used=None), key("b", "Bee", used=None))
    without, with_one = audit(*keys), audit(*keys, waivers=(waiver(selector=Selector(ids=("a",))),))
    assert set(without.findings["id"]) == set(with_one.findings["id"])
    assert [("b", False), ("a", True)] == [(f.key_id, f.waived) for f in with_one.worst()]


@pytest.mark.parametrize(
    ("days_left", "state", "waived"), [(0, "in force", True), (-1, "expired", False), (1, "in force", True)]
)
def test_the_last_day_counts(days_left: int, state: str, waived: bool) -> None:
    result = audit(key(used=None), waivers=(waiver(expires=NOW.date() + days_left * DAY),))
    assert [waived] == [f.waived for f in result.worst()]
    assert [(state, 1)] == [(w.state, w.findings) for w in result.waivers]


def test_the_last_day_ends_in_utc_whatever_the_zone_of_the_clock() -> None:
    taken = replace(snapshot(key(used=None)), now=NOW.replace(hour=23).astimezone(ZoneInfo("Pacific/Auckland")))
    result = evaluate(taken, Policy(), (waiver(expires=date(2026, 11, 23)),))
    assert ["in force"] == [w.state for w in result.waivers]


def test_a_waiver_that_matches_nothing_is_reported() -> None:
    result = audit(key(used=None), waivers=(waiver(rules=("stale",)),))
    assert [("matches nothing", 0)] == [(w.state, w.findings) for w in result.waivers]


def test_the_first_of_several_waivers_is_the_one_named() -> None:
    first, second = waiver(selector=Selector(names=("Bill*",))), waiver()
    result = audit(key(used=None), waivers=(waiver(expires=NOW.date() - DAY), first, second))
    assert [1] == [f.waiver for f in result.worst()]


def test_a_waiver_for_active_keys_passes_over_findings_on_the_account() -> None:
    result = audit(
        key(used=None),
        policy=only("too-many-active", enabled=True, max_active=0),
        waivers=(waiver(selector=Selector(active=True)),),
    )
    assert {"never-used": True, "too-many-active": False} == {f.rule: f.waived for f in result.worst()}


def test_patterns_meant_for_hostile_names_are_shown_in_their_visible_form() -> None:
    hostile = Selector(ids=("*",), names=("\x1b[2J*", "*"), prefixes=("*",))
    result = audit(
        key(used=None),
        policy=Policy(overrides=(Override(hostile, {"stale": RuleSetting(enabled=False)}),)),
        waivers=(waiver(selector=hostile, reason="no\nyes"),),
    )
    shown = Selector(ids=("*",), names=("⟨U+001B⟩[2J*", "*"), prefixes=("*",))
    assert "no⟨U+000A⟩yes" == result.waivers[0].waiver.reason
    assert (shown, shown) == (result.overrides[0].selector, result.waivers[0].waiver.selector)


def test_fields_of_a_selector_must_all_match_and_patterns_of_a_field_suffice_one() -> None:
    both = waiver(selector=Selector(names=("Nothing", "Bill*"), prefixes=("rt_live_*",)))
    result = audit(
        key("a", "Billing", prefix="rt_live_1", used=None),
        key("b", "Bills", prefix="rt_test_1", used=None),
        key("c", "Costs", prefix="rt_live_2", used=None),
        waivers=(both,),
    )
    assert {"a"} == {f.key_id for f in result.worst() if f.waived}


def test_a_finding_on_the_account_is_waived_by_what_ends_its_id() -> None:
    result = audit(
        key(),
        policy=only("too-many-active", enabled=True, max_active=0),
        waivers=(waiver(selector=Selector(ids=("budget",))),),
    )
    assert [("too-many-active", True)] == [(f.rule, f.waived) for f in result.worst()]


# ---------------------------------------------------------------- overrides


def override(selector: Selector, rule: str = "stale", **options: object) -> Override:
    return Override(selector, {rule: RuleSetting(options=options)})


def test_later_overrides_win_and_options_they_do_not_name_stay() -> None:
    policy = Policy(
        rules={"stale": RuleSetting(options={"days": 10, "high_days": 300})},
        overrides=(
            override(Selector(names=("Bill*",)), days=20),
            override(Selector(ids=("b",)), days=30),
        ),
    )
    keys = [key(id, name, used=25 * DAY) for id, name in (("a", "Billing"), ("b", "Bills"), ("c", "Costs"))]
    assert {"a", "c"} == {f.key_id for f in audit(*keys, policy=policy).worst()}
    found = {f.key_id: f.evidence for f in audit(*keys, policy=policy).worst()}
    assert (True, True) == (found["a"].endswith("limit is 20 days"), found["c"].endswith("limit is 10 days"))


def test_an_override_can_switch_a_rule_off_or_on_or_pin_its_severity() -> None:
    policy = Policy(
        overrides=(
            Override(Selector(active=True), {"never-used": RuleSetting(enabled=False)}),
            Override(Selector(ids=("b",)), {"never-used": RuleSetting(enabled=True, severity=Severity.CRITICAL)}),
        )
    )
    result = audit(key("a", "Ay", used=None), key("b", "Bee", used=None), policy=policy)
    assert [("b", Severity.CRITICAL)] == [(f.key_id, f.severity) for f in result.worst()]
    assert 2 == next(rule for rule in result.rules if rule.name == "never-used").overridden


def test_an_override_for_one_key_changes_nothing_for_another() -> None:
    keys = [key(f"k{n}", f"Job {chr(97 + n)}x", used=n * 20 * DAY) for n in range(8)]
    changed = Policy(overrides=(override(Selector(ids=("k0",)), days=1),))
    without = [f for f in audit(*keys).worst() if f.key_id != "k0"]
    assert without == [f for f in audit(*keys, policy=changed).worst() if f.key_id != "k0"]


def test_the_rule_in_force_shows_its_base_options_and_counts() -> None:
    result = audit(key(used=50 * DAY), policy=only("stale", days=40))
    shown = {rule.name: rule for rule in result.rules}
    assert {"days": "40", "high_days": "90"} == dict(shown["stale"].options)
    assert (1, 0) == (shown["stale"].findings, shown["expired"].findings)
    assert not shown["too-many-active"].enabled


# ---------------------------------------------------------------- the chart, and crashes


def test_no_bar_of_the_chart_straddles_a_threshold() -> None:
    result = audit(
        *(key(str(n), f"Job {n}x", used=timedelta(days=days)) for n, days in enumerate((0, 44, 45, 59, 89, 90, 5000))),
        key("never", used=None),
        key("future", used=-DAY),
        key("inactive", used=50 * DAY, active=False),
    )
    assert (45, 90) == result.use_thresholds
    bars = {bar.label: bar.keys for bar in result.use}
    assert {"0": 2, "30–44": 1, "45–59": 2, "60–89": 1, "90–179": 1, "365+": 1, "never": 1} == {
        label: keys for label, keys in bars.items() if keys
    }


def test_only_the_first_clean_keys_are_listed_and_all_are_counted() -> None:
    result = audit(*(key(f"{n:05}", f"Job {n:05} x") for n in range(CLEAN_KEYS_LISTED + 1)))
    assert (CLEAN_KEYS_LISTED + 1, CLEAN_KEYS_LISTED) == (result.counts.without_findings, len(result.clean_keys))
    assert "00000" == result.clean_keys["id"][0]


def test_a_rule_that_crashes_fails_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: object, context: Context[object]) -> Iterable[object]:
        raise ZeroDivisionError

    monkeypatch.setattr(type(all_rules()["stale"]), "check", crash)
    with pytest.raises(RuleCrashed, match=r"Rule stale crashed \(ZeroDivisionError\)") as caught:
        audit(key())
    assert 3 == caught.value.exit_code
    assert "ZeroDivisionError" in caught.value.details


def test_now_may_come_in_any_zone() -> None:
    taken = snapshot(key(used=45 * DAY))
    elsewhere = replace(taken, now=NOW.astimezone(ZoneInfo("Asia/Kolkata")))
    assert [f.id for f in evaluate(taken, Policy()).worst()] == [f.id for f in evaluate(elsewhere, Policy()).worst()]
    assert 1 == len(list(evaluate(replace(taken, now=taken.now.astimezone(UTC)), Policy()).worst()))
