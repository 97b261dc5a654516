import pytest

from keyaudit.model import Override, Policy, RuleSetting, Selector, Severity
from keyaudit.text import visible
from tests.builders import findings, key


@pytest.mark.parametrize(
    "other", ["deploy", "DEPLOY", "De ploy", "Deploy 2", "deploy-2", "Deploy #2", "deploy (2)", " Deploy\t3 "]
)
def test_names_that_differ_only_in_case_spaces_or_a_trailing_number_are_twins(other: str) -> None:
    found = findings("twin-name", key("a", "Deploy"), key("b", other), key("c", "Something else"))
    assert {"a", "b"} == {f.key_id for f in found}
    assert {Severity.LOW} == {f.severity for f in found}
    named = {f.key_id: f.evidence for f in found}
    assert "“Deploy” (rt_live_ab12) has the same name but for case, spaces or a trailing number" == named["b"]
    assert f"“{visible(other)}” (rt_live_ab12) has" == named["a"].partition(" the same")[0]


def test_three_are_counted() -> None:
    found = findings("twin-name", *(key(str(n), f"Deploy {n}") for n in range(3)))
    assert 3 == len(found)
    evidence = [f.evidence.partition(" the same")[0] for f in found]
    assert [f"“Deploy {n}” (rt_live_ab12) and 1 other active key have" for n in (1, 2, 0)] == evidence


def test_two_pairs_are_not_mixed_up() -> None:
    found = findings(
        "twin-name",
        key("a", "Deploy"),
        key("b", "Export"),
        key("c", "export 2"),
        key("d", "deploy 2"),
        key("e", "Alone"),
    )
    assert {"a": "deploy 2", "b": "export 2", "c": "Export", "d": "Deploy"} == {
        f.key_id: f.evidence.split("”")[0].removeprefix("“") for f in found
    }


def test_an_inactive_namesake_is_no_twin() -> None:
    assert [] == findings("twin-name", key("a", "Deploy"), key("b", "Deploy 2", active=False))


def test_a_number_in_the_middle_tells_names_apart() -> None:
    assert [] == findings("twin-name", key("a", "eu1 worker"), key("b", "eu2 worker"))


def test_names_of_nothing_but_a_number_have_nothing_in_common() -> None:
    assert [] == findings("twin-name", key("a", "1"), key("b", "2"), key("c", ""))


def test_a_twin_under_an_override_of_its_own_is_still_seen() -> None:
    policy = Policy(
        overrides=(Override(Selector(names=("Deploy 2",)), {"twin-name": RuleSetting(severity=Severity.HIGH)}),)
    )
    found = findings("twin-name", key("a", "Deploy"), key("b", "Deploy 2"), policy=policy)
    assert [("b", Severity.HIGH), ("a", Severity.LOW)] == [(f.key_id, f.severity) for f in found]
