from datetime import timedelta

import pytest

from keyaudit.model import Policy, RuleSetting, Severity
from keyaudit.policy import base
from keyaudit.profiles import PROFILES
from keyaudit.rules import all_rules
from tests.builders import audit, key

DAY = timedelta(days=1)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_names_rules_and_options_that_exist(name: str) -> None:
    for rule in PROFILES[name].rules:
        base(Policy(profile=name), all_rules()[rule])


@pytest.mark.parametrize(
    ("profile", "idle", "severity"),
    [
        ("default", 45, Severity.MEDIUM),
        ("cis", 45, Severity.MEDIUM),
        ("pci", 89, None),
        ("pci", 90, Severity.HIGH),
        ("strict", 29, None),
        ("strict", 30, Severity.MEDIUM),
        ("strict", 60, Severity.HIGH),
    ],
)
def test_thresholds_are_those_of_the_texts(profile: str, idle: int, severity: Severity | None) -> None:
    result = audit(key(used=idle * DAY), policy=Policy(profile=profile))
    assert ([] if severity is None else [severity]) == [f.severity for f in result.worst() if f.rule == "stale"]


def test_the_config_takes_each_profile() -> None:
    from typing import get_args

    from keyaudit.config.sections import PolicySection

    assert tuple(PROFILES) == get_args(PolicySection.model_fields["profile"].annotation)


def test_the_rules_own_settings_win_over_the_profile() -> None:
    policy = Policy(profile="strict", rules={"stale": RuleSetting(options={"days": 50})})
    settings = base(policy, all_rules()["stale"]).options
    assert (50, 60) == (settings.days, settings.high_days)
