"""JUnit XML, for the test reports of CI services: a suite for each rule, a case for each finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element, SubElement

from keyaudit.model import AuditResult, Finding, RuleInForce
from keyaudit.render import Format, RenderSettings
from keyaudit.render._words import accepted, rfc3339, subject, where_all_are
from keyaudit.wording import count

MOST = 5000
"""How many findings are cases of their own: services read the whole file into memory, and few show more."""

ERRORS = frozenset({"count-mismatch", "unreadable-key"})
"""The rules that find the audit itself in doubt, not a key at fault."""


class JUnit(Format):
    """Keys without findings are no cases: an account can have a million. One case stands for all of them."""

    name = "junit"
    suffix = "junit.xml"
    summary = "JUnit XML, for the test reports of CI services; at most 5,000 findings"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:
        """UTF-8, with what Jenkins, GitLab and Ant's schema have in common."""
        cases: dict[str, list[Finding]] = {}
        for finding in result.worst(MOST):
            cases.setdefault(finding.rule, []).append(finding)
        beyond = result.findings.iloc[MOST:]
        standing = beyond["waiver"] < 0
        left_out = beyond["rule"][standing].value_counts(), beyond["rule"][~standing].value_counts()
        root = Element("testsuites", name=f"keyaudit {result.account}")
        for rule in result.rules:
            suite = SubElement(root, "testsuite", name=f"{rule.name}: {rule.title}")
            _properties(suite, result, rule)
            for finding in cases.get(rule.name, ()):
                _finding(suite, result, finding)
            failing, skipped = (int(numbers.get(rule.name, 0)) for numbers in left_out)
            _left_out(suite, result, rule, failing, skipped, where_all_are(settings))
            _rule(suite, result, rule)
            _count(suite, root)
            suite.set("time", "0")
            suite.set("timestamp", result.now.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat())
        root.set("time", "0")
        ET.indent(root)
        yield ET.tostring(root, "utf-8", xml_declaration=True)
        yield b"\n"


def _properties(suite: Element, result: AuditResult, rule: RuleInForce) -> None:
    properties = SubElement(suite, "properties")
    for name, value in (
        ("account", result.account),
        ("source", result.source),
        ("keyaudit", result.version),
        *(("standard", reference.title) for reference in rule.references),
    ):
        SubElement(properties, "property", name=name, value=value)


def _case(suite: Element, result: AuditResult, rule: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=f"keyaudit.{result.account}.{rule}", name=name, time="0")


def _finding(suite: Element, result: AuditResult, finding: Finding) -> None:
    # services follow a case by its name, so that it ends with what ends the id of the finding
    ending = finding.id.removeprefix(f"{result.account}:{finding.rule}:")
    case = _case(suite, result, finding.rule, f"{subject(finding)} ({ending})")
    if finding.waived:
        outcome = SubElement(case, "skipped", message=accepted(result.waivers[finding.waiver].waiver))
    else:
        outcome = SubElement(
            case,
            "error" if finding.rule in ERRORS else "failure",
            type=finding.severity.label,
            message=finding.evidence,
        )
    outcome.text = "\n".join(_body(finding))


def _body(finding: Finding) -> Iterator[str]:
    yield ""
    yield finding.evidence
    yield f"What to do: {finding.action}"
    for label, value in (
        ("Severity", finding.severity.label),
        ("Key", finding.key_name),
        ("Id of the key", finding.key_id),
        ("Prefix", finding.key_prefix),
        ("Owner", finding.owner),
        ("Last used", "" if finding.last_used_at is None else rfc3339(finding.last_used_at)),
        ("Finding", finding.id),
    ):
        if value:
            yield f"{label}: {value}"
    yield ""


def _left_out(suite: Element, result: AuditResult, rule: RuleInForce, failing: int, skipped: int, advice: str) -> None:
    if failing:
        told = f"{count(failing, 'more finding')} left out. {advice}"
        outcome = "error" if rule.name in ERRORS else "failure"
        SubElement(_case(suite, result, rule.name, "findings left out"), outcome, type="left out", message=told)
    if skipped:
        told = f"{count(skipped, 'more waived finding')} left out. {advice}"
        SubElement(_case(suite, result, rule.name, "waived findings left out"), "skipped", message=told)


def _rule(suite: Element, result: AuditResult, rule: RuleInForce) -> None:
    """The case that stands for all else: passed only where the rule looked."""
    case = _case(suite, result, rule.name, "everything else the rule looks at")
    if rule.state == "not evaluated":
        SubElement(case, "skipped", message=f"not evaluated: {rule.reason}")
    elif not rule.enabled:
        SubElement(case, "skipped", message="switched off by the policy, but for what overrides say")


def _count(suite: Element, root: Element) -> None:
    cases = suite.findall("testcase")
    outcomes = Counter(outcome.tag for case in cases for outcome in case)
    numbers = {
        "tests": len(cases),
        "failures": outcomes["failure"],
        "errors": outcomes["error"],
        "skipped": outcomes["skipped"],
    }
    for name, number in numbers.items():
        suite.set(name, str(number))
        if name != "skipped":  # which the root of some schemas does not have
            root.set(name, str(int(root.get(name, "0")) + number))
