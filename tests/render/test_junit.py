"""JUnit XML: what its schemas have in common, what services make of it, and nothing that looks passed and is not."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from keyaudit.model import AuditResult
from keyaudit.render import RenderSettings, junit
from keyaudit.render.junit import JUnit
from tests.render.demo import demo_result

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Children in order, and attributes: required, optional. What the schemas of Ant and of Jenkins' xUnit plugin both take,
# but for `skipped` on a suite, which all services read.
GRAMMAR: dict[str, tuple[str, set[str], set[str]]] = {
    "testsuites": ("(testsuite )*", {"name", "tests", "failures", "errors", "time"}, set()),
    "testsuite": (
        "properties (testcase )*",
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        set(),
    ),
    "properties": ("(property )*", set(), set()),
    "property": ("", {"name", "value"}, set()),
    "testcase": ("(failure |error |skipped )?", {"name", "classname", "time"}, set()),
    "failure": ("", {"type", "message"}, set()),
    "error": ("", {"type", "message"}, set()),
    "skipped": ("", {"message"}, set()),
}


def parse(result: AuditResult, settings: RenderSettings | None = None) -> Element:
    report = b"".join(JUnit().render(result, settings or RenderSettings()))
    return ET.fromstring(report)  # noqa: S314 - our own report


def suites(result: AuditResult, settings: RenderSettings | None = None) -> dict[str, Element]:
    return {each.attrib["name"].split(":")[0]: each for each in parse(result, settings).iterfind("testsuite")}


def outcomes(suite: Element) -> list[tuple[str, str, str]]:
    """Name, outcome and message of each case."""
    return [
        (case.attrib["name"], case[0].tag if len(case) else "passed", case[0].attrib["message"] if len(case) else "")
        for case in suite.iterfind("testcase")
    ]


# ---------------------------------------------------------------- valid


@pytest.mark.parametrize("account", ["sample", "everything", "hostile", "empty", "demo"])
def test_every_element_is_one_that_services_know(account: str, request: pytest.FixtureRequest) -> None:
    result = demo_result() if account == "demo" else request.getfixturevalue(account)
    for element in parse(result).iter():
        children, required, optional = GRAMMAR[element.tag]
        assert re.fullmatch(children, "".join(f"{child.tag} " for child in element)), element.tag
        assert required <= set(element.attrib) <= required | optional


@pytest.mark.parametrize("account", ["sample", "everything", "hostile", "crowd"])
def test_the_numbers_are_those_of_the_cases(account: str, request: pytest.FixtureRequest) -> None:
    root = parse(request.getfixturevalue(account))
    total: Counter[str] = Counter()
    for suite in root:
        cases = suite.findall("testcase")
        found = Counter(outcome.tag for case in cases for outcome in case)
        assert [len(cases), found["failure"], found["error"], found["skipped"]] == [
            int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")
        ]
        total += Counter({"tests": len(cases), "failures": found["failure"], "errors": found["error"]})
    assert [total[name] for name in ("tests", "failures", "errors")] == [
        int(root.attrib[name]) for name in ("tests", "failures", "errors")
    ]


@pytest.mark.parametrize("account", ["everything", "hostile", "crowd"])
def test_a_case_can_be_followed_by_its_name(account: str, request: pytest.FixtureRequest) -> None:
    cases = [
        (case.attrib["classname"], case.attrib["name"])
        for case in parse(request.getfixturevalue(account)).iterfind("testsuite/testcase")
    ]
    assert len(cases) == len(set(cases))


def test_times_are_those_of_the_audit_in_utc(everything: AuditResult) -> None:
    assert {"2026-11-23T12:00:00"} == {suite.attrib["timestamp"] for suite in suites(everything).values()}


# ---------------------------------------------------------------- outcomes


def test_there_is_a_suite_for_each_rule(everything: AuditResult) -> None:
    assert [rule.name for rule in everything.rules] == list(suites(everything))


def test_a_finding_is_a_failed_case_of_its_rule(everything: AuditResult) -> None:
    stale = suites(everything)["stale"]
    failed = stale.find("testcase")
    assert failed is not None
    assert ("keyaudit.acme-prod.stale", "Billing sync (k1)") == (failed.attrib["classname"], failed.attrib["name"])
    assert ("failure", "high") == (failed[0].tag, failed[0].attrib["type"])
    assert failed[0].attrib["message"].startswith("last used 100 days ago")
    assert failed[0].text
    for line in (
        failed[0].attrib["message"],
        "Severity: high",
        "Key: Billing sync",
        "Id of the key: k1",
        "Prefix: rt_live_ab12",
        "Last used: 2026-08-15T12:00:00Z",
        "Finding: acme-prod:stale:k1",
    ):
        assert line in failed[0].text.split("\n")
    assert "What to do: Ask the owner" in failed[0].text


def test_an_owner_is_named(sample: AuditResult) -> None:
    owned = replace(sample, findings=sample.findings.assign(owner=pd.Series("Ops", sample.findings.index, dtype="str")))
    texts = [case[0].text or "" for suite in suites(owned).values() for case in suite.iterfind("testcase") if len(case)]
    assert len(sample.findings) == sum("\nOwner: Ops\n" in text for text in texts)


def test_a_waived_finding_is_skipped_with_the_reason(everything: AuditResult) -> None:
    skipped = [case for case in outcomes(suites(everything)["stale"]) if case[1] == "skipped"]
    assert [
        (
            "Search indexer (k2)",
            "skipped",
            "accepted by Ops until 2027-01-01: =SUM(1) moves in <b>May</b>, see https://x.example",
        )
    ] == skipped


def test_a_doubtful_audit_is_an_error(everything: AuditResult) -> None:
    found = suites(everything)
    assert [("the account (total)", "error")] == [case[:2] for case in outcomes(found["count-mismatch"])[:-1]]
    unreadable = outcomes(found["unreadable-key"])[:-1]
    assert ["error"] * 3 == [outcome for _, outcome, _ in unreadable]
    assert ("bad time (k10)", "error") == unreadable[0][:2]
    assert not [
        suite for name, suite in found.items() if suite.find("testcase/error") is not None and name not in junit.ERRORS
    ]


def test_what_a_rule_does_not_object_to_has_passed(sample: AuditResult) -> None:
    on = replace(sample, rules=tuple(replace(rule, enabled=True, state="on") for rule in sample.rules))
    for suite in suites(on).values():
        assert ("everything else the rule looks at", "passed", "") == outcomes(suite)[-1]


def test_what_was_not_looked_at_has_not_passed(sample: AuditResult) -> None:
    first, second, *others = sample.rules
    rules = (
        replace(first, state="not evaluated", reason="The list was refused."),
        replace(second, enabled=False, state="off"),
    )
    found = suites(replace(sample, rules=(*rules, *others)))
    assert ("skipped", "not evaluated: The list was refused.") == outcomes(found[first.name])[-1][1:]
    assert ("skipped", "switched off by the policy, but for what overrides say") == outcomes(found[second.name])[-1][1:]


def test_a_suite_tells_which_standards_its_rule_answers_to(sample: AuditResult) -> None:
    rule = next(rule for rule in sample.rules if rule.references)
    told = [
        each.attrib["value"]
        for each in suites(sample)[rule.name].iterfind("properties/property")
        if each.attrib["name"] == "standard"
    ]
    assert [reference.title for reference in rule.references] == told


# ---------------------------------------------------------------- cut


def test_what_is_left_out_still_fails(crowd: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "MOST", 10)
    *shown, failing, skipped, _ = outcomes(suites(crowd, RenderSettings(siblings={"json": "acme-1.json"}))["stale"])
    assert [f.evidence for f in crowd.worst(10)] == [message for _, _, message in shown]
    where = "Beside this file acme-1.json holds all of them."
    assert ("findings left out", "failure", f"2,390 more findings left out. {where}") == failing
    assert ("waived findings left out", "skipped", f"100 more waived findings left out. {where}") == skipped


def test_errors_left_out_are_errors(everything: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "MOST", 0)
    found = suites(everything)
    name, outcome, message = outcomes(found["unreadable-key"])[0]
    assert ("findings left out", "error") == (name, outcome)
    assert message.startswith("3 more findings left out. To have them all, run the audit with --format csv")
    assert everything.counts.waived == 1
    assert [("waived findings left out", "skipped")] == [
        case[:2] for case in outcomes(found["stale"]) if case[1] == "skipped"
    ]
