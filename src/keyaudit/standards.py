"""The texts that people are audited by, and the clauses of them that keyaudit's rules answer to, as data.

Numbers and requirements are facts taken from the published texts; the wording is ours. Most of these texts speak
of users, or of one cloud's credentials: there a clause is marked as analogous.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

from keyaudit.model import Reference, Standard

OWASP_NHI = Standard(
    "owasp-nhi",
    "OWASP Non-Human Identities Top 10",
    "2025",
    "https://owasp.org/www-project-non-human-identities-top-10/",
)
CIS_AWS = Standard(
    "cis-aws", "CIS AWS Foundations Benchmark", "v7", "https://www.cisecurity.org/benchmark/amazon_web_services"
)
CIS_CONTROLS = Standard("cis-controls", "CIS Controls", "v8", "https://www.cisecurity.org/controls/v8")
PCI_DSS = Standard("pci-dss", "PCI DSS", "4.0.1", "https://www.pcisecuritystandards.org/document_library/")
NIST_800_53 = Standard("nist-800-53", "NIST SP 800-53", "r5", "https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final")
RUNTYPE = Standard("runtype", "Runtype user guide", "")

OFFBOARDING = Reference(OWASP_NHI, "NHI1", "take away what is no longer needed")
LEAKAGE = Reference(OWASP_NHI, "NHI2", "keep secrets from leaking")
OVERPRIVILEGED = Reference(OWASP_NHI, "NHI5", "grant no more than the work needs")
LONG_LIVED = Reference(OWASP_NHI, "NHI7", "let secrets expire, and rotate them")
ENVIRONMENTS = Reference(OWASP_NHI, "NHI8", "keep test and production apart")
REUSE = Reference(OWASP_NHI, "NHI9", "one identity for one use")

CIS_AWS_UNUSED = Reference(
    CIS_AWS,
    "2.11",
    "disable credentials unused for 45 days or longer",
    analogous=True,
    earlier="2.11 in v6, 1.11 in v5, 1.12 in v3 and v4",
)
CIS_AWS_ROTATION = Reference(
    CIS_AWS,
    "2.12",
    "rotate access keys every 90 days or sooner",
    analogous=True,
    earlier="2.13 in v6, 1.13 in v5, 1.14 in v3 and v4",
)
CIS_DORMANT = Reference(CIS_CONTROLS, "5.3", "disable dormant accounts after 45 days", analogous=True)
CIS_INVENTORY = Reference(
    CIS_CONTROLS, "5.5", "keep an inventory of service accounts, with an owner and a purpose", analogous=True
)

PCI_INACTIVE = Reference(PCI_DSS, "8.2.6", "remove or disable inactive user accounts within 90 days", analogous=True)

NIST_DISABLE = Reference(
    NIST_800_53, "AC-2(3)", "disable accounts that are expired, inactive or without an owner", analogous=True
)
NIST_MONITOR = Reference(NIST_800_53, "AC-2(g)(j)", "monitor the use of accounts and review them", analogous=True)
NIST_LEAST_PRIVILEGE = Reference(NIST_800_53, "AC-6", "allow only what the assigned tasks need")
NIST_REFRESH = Reference(NIST_800_53, "IA-5(f)", "change authenticators after a set period")

RUNTYPE_NAMES = Reference(RUNTYPE, "", "give keys descriptive names")
RUNTYPE_ONE_USE = Reference(RUNTYPE, "", "one key per use; make the new key, move over, revoke the old one")
RUNTYPE_ROTATION = Reference(RUNTYPE, "", "rotate keys every 90 days")
RUNTYPE_EXPIRY = Reference(RUNTYPE, "", "set an expiry date")
RUNTYPE_TESTING = Reference(RUNTYPE, "", "use test keys for testing")
RUNTYPE_LEAST_PRIVILEGE = Reference(RUNTYPE, "", "grant least privilege")


class Answering(Protocol):
    """Whatever answers to clauses: a rule, or a rule in force."""

    @property
    def references(self) -> tuple[Reference, ...]: ...


A = TypeVar("A", bound=Answering)


def by_clause(rules: Iterable[A]) -> dict[Reference, list[A]]:
    """The numbered clauses that *rules* answer to, each with its rules, by standard and number."""
    answering: dict[Reference, list[A]] = {}
    for rule in rules:
        for reference in rule.references:
            if reference.number:
                answering.setdefault(reference, []).append(rule)
    return dict(sorted(answering.items(), key=lambda each: _order(each[0])))


def _order(reference: Reference) -> tuple[str, list[tuple[int, str]]]:
    parts = re.findall(r"\d+|\D+", reference.number)
    return reference.standard.name, [(int(part), "") if part.isdigit() else (0, part) for part in parts]
