from datetime import timedelta

import pytest

from keyaudit.model import Policy, RuleSetting, Severity
from tests.builders import audit, findings, key, only

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("permissions", "severity"),
    [
        (["*"], Severity.HIGH),
        (["FLOWS:READ", "*"], Severity.HIGH),
        (["FLOWS:*"], Severity.MEDIUM),
        (["manage:api-keys"], Severity.MEDIUM),
        (["RECORDS:DELETE"], Severity.MEDIUM),
        (["ADMIN"], Severity.MEDIUM),
        (["FLOWS:READ", "RECORDS:READ"], None),
        (["write:deployments", "read"], None),
        ([], None),
        (None, None),
    ],
)
def test_stars_and_administration_are_broad(permissions: list[str] | None, severity: Severity | None) -> None:
    found = [f.severity for f in findings("broad-permission", key(permissions=permissions))]
    assert ([] if severity is None else [severity]) == found


@pytest.mark.parametrize("used", [None, 50 * DAY])
def test_a_key_that_nothing_uses_is_one_step_higher(used: timedelta | None) -> None:
    (everything,) = findings("broad-permission", key(permissions=["*"], used=used))
    (flows,) = findings("broad-permission", key(permissions=["FLOWS:*"], used=used))
    assert (Severity.CRITICAL, Severity.HIGH) == (everything.severity, flows.severity)
    assert "nothing uses the key" in flows.evidence


def test_the_step_follows_the_policy_on_idleness() -> None:
    lenient = Policy(rules={"stale": RuleSetting(options={"days": 400})})
    (finding,) = findings("broad-permission", key(permissions=["*"], used=50 * DAY), policy=lenient)
    assert Severity.HIGH == finding.severity
    (young,) = findings("broad-permission", key(permissions=["*"], used=None, created=DAY))
    assert Severity.HIGH == young.severity


def test_the_worst_are_named_first_and_the_rest_counted() -> None:
    (finding,) = findings("broad-permission", key(permissions=[f"X{n}:*" for n in range(6)] + ["*"]))
    assert "holds broad permissions: *, X0:*, X1:*, X2:*, X3:* and 2 more" == finding.evidence


def test_hostile_permissions_are_shown_in_their_visible_form() -> None:
    (finding,) = findings("broad-permission", key(permissions=["\x1b[2Jadmin", "a" * 300 + "admin"]))
    assert "⟨U+001B⟩[2Jadmin" in finding.evidence
    assert len(finding.evidence) < 250


def test_the_lists_are_options() -> None:
    policy = only("broad-permission", high=("*:write",), medium=())
    assert [("b", Severity.HIGH)] == [
        (f.key_id, f.severity)
        for f in findings(
            "broad-permission",
            key("a", "Ay", permissions=["*", "FLOWS:*"]),
            key("b", "Bee", permissions=["flows:WRITE"]),
            policy=policy,
        )
    ]


def test_many_keys_share_the_judgement_of_their_set() -> None:
    sets = [["*"], ["FLOWS:READ"], None]
    result = audit(*(key(f"k{n}", f"Job {n} x", permissions=sets[n % 3]) for n in range(9)))
    assert {"k0", "k3", "k6"} == {f.key_id for f in result.worst() if f.rule == "broad-permission"}
