"""Profiles: the thresholds that the standards ask for, as the first layer of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keyaudit.model import RuleSetting, Severity


@dataclass(frozen=True)
class Profile:
    """A named first layer: ``summary`` says in a sentence what it is for."""

    summary: str
    rules: Mapping[str, RuleSetting]


def _options(**options: object) -> RuleSetting:
    return RuleSetting(options=options)


PROFILES: Mapping[str, Profile] = {
    "default": Profile("What suits most teams: the defaults of the rules themselves.", {}),
    "cis": Profile(
        "The 45 days of CIS AWS Foundations and CIS Controls 5.3 for unused keys, and 90 days for rotation.",
        {
            "stale": _options(days=45, high_days=90),
            "never-used": _options(grace_days=45),
            "rotation-due": _options(days=90, high_days=365),
        },
    ),
    "pci": Profile(
        "The 90 days of PCI DSS 8.2.6 for keys that lie idle; such a key is then high.",
        {
            "stale": _options(days=90, high_days=90),
            "never-used": _options(grace_days=90),
        },
    ),
    "strict": Profile(
        "For accounts whose keys open a lot: short limits, and every key must end.",
        {
            "stale": _options(days=30, high_days=60),
            "never-used": _options(grace_days=7),
            "rotation-due": _options(days=60, high_days=90),
            "no-expiry": RuleSetting(severity=Severity.HIGH),
            "lifetime-too-long": RuleSetting(severity=Severity.MEDIUM, options={"days": 180}),
            "revealable": RuleSetting(severity=Severity.MEDIUM),
            "no-ip-allowlist": RuleSetting(enabled=True, severity=Severity.LOW),
        },
    ),
}
