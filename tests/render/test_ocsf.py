"""OCSF: each line is a Detection Finding that models made by others read without losing a word."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from py_ocsf_models.events.findings.detection_finding import DetectionFinding

from keyaudit.model import AuditResult
from keyaudit.render import RenderSettings, _columns
from keyaudit.render.ocsf import Ocsf
from tests.render.conftest import with_texts
from tests.render.demo import demo_result


def events(result: AuditResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join(Ocsf().render(result, RenderSettings())).splitlines()]


def by_id(result: AuditResult) -> dict[str, dict[str, Any]]:
    return {event["finding_info"]["uid"]: event for event in events(result)}


def read_and_written(node: object, like: object) -> object:
    """*node*, reduced to the members that *like* has: models fill in what they know besides."""
    if isinstance(node, dict) and isinstance(like, dict):
        return {name: read_and_written(node[name], like[name]) for name in like if name in node}
    if isinstance(node, list) and isinstance(like, list):
        return [read_and_written(*pair) for pair in zip(node, like, strict=True)]
    return node


@pytest.mark.parametrize("account", ["sample", "everything", "hostile", "demo"])
def test_a_model_of_the_class_reads_every_member(account: str, request: pytest.FixtureRequest) -> None:
    result = demo_result() if account == "demo" else request.getfixturevalue(account)
    for event in events(result):
        # OCSF is content with the name of an owner; the model wants an account and more. It has a test of its own.
        event["resources"][0].pop("owner", None)
        read = DetectionFinding.model_validate(event).model_dump(mode="json")
        assert event == read_and_written(read, event)


def test_the_model_refuses_what_is_wrong(sample: AuditResult) -> None:
    event = events(sample)[0]
    for member in ("finding_info", "metadata", "severity_id", "time"):
        with pytest.raises(ValueError, match=member):
            DetectionFinding.model_validate({**event, member: "?"})


def test_class_and_time_are_those_of_every_event(everything: AuditResult) -> None:
    for event in events(everything):
        assert (2, 2004, 1, 200401) == tuple(
            event[name] for name in ("category_uid", "class_uid", "activity_id", "type_uid")
        )
        assert 1795435200000 == event["time"]
        assert ("1.3.0", "acme-prod") == (event["metadata"]["version"], event["metadata"]["tenant_uid"])
        assert {"name": "keyaudit", "vendor_name": "keyaudit", "version": everything.version} == event["metadata"][
            "product"
        ]


def test_a_finding_on_a_key(everything: AuditResult) -> None:
    event = by_id(everything)["acme-prod:stale:k1"]
    assert (4, "High", 1, "New") == tuple(event[name] for name in ("severity_id", "severity", "status_id", "status"))
    assert event["message"] == f"Billing sync: {event['finding_info']['desc']}"
    assert event["finding_info"]["desc"].startswith("last used 100 days ago")
    assert {"type_id": 1, "type": "Rule", "uid": "stale", "name": "Key not used for a long time"} == event[
        "finding_info"
    ]["analytic"]
    assert "acme-prod:stale:k1@2026-11-23T12:00:00Z" == event["metadata"]["uid"]
    rule = next(rule for rule in everything.rules if rule.name == "stale")
    assert {
        "desc": rule.remediation,
        "references": [reference.title for reference in rule.references],
    } == event["remediation"]
    assert [
        {
            "type": "API key",
            "namespace": "acme-prod",
            "uid": "k1",
            "name": "Billing sync",
            "data": {
                "prefix": "rt_live_ab12",
                "active": True,
                "own": False,
                "last_used_at": "2026-08-15T12:00:00Z",
            },
        }
    ] == event["resources"]


def test_a_finding_on_the_account(everything: AuditResult) -> None:
    event = by_id(everything)["acme-prod:count-mismatch:total"]
    assert [{"type": "Runtype account", "uid": "acme-prod", "name": "acme-prod"}] == event["resources"]
    assert "the account: totalKeys says 12, but the rows make it 11" == event["message"]


def test_an_unreadable_key_has_what_could_be_read(everything: AuditResult) -> None:
    resources = {id: event["resources"][0] for id, event in by_id(everything).items() if ":unreadable-key:" in id}
    named = [(each["type"], each.get("uid"), each["name"]) for each in resources.values()]
    assert [
        ("API key", "k10", "bad time"),
        ("API key", None, "no id | here"),
        ("Runtype account", "acme-prod", "acme-prod"),
    ] == sorted(named, key=str)
    assert None is resources["acme-prod:unreadable-key:k10"]["data"]["active"]


def test_a_key_without_a_name_is_called_by_its_id(everything: AuditResult) -> None:
    nameless = replace(everything, findings=everything.findings.assign(key_name=""))
    event = by_id(nameless)["acme-prod:stale:k1"]
    assert event["message"].startswith("the key k1: last used")
    assert "name" not in event["resources"][0]


def test_a_waived_finding_is_suppressed(everything: AuditResult) -> None:
    event = by_id(everything)["acme-prod:stale:k2"]
    assert (3, "Suppressed") == (event["status_id"], event["status"])
    assert "accepted by Ops until 2027-01-01: =SUM(1) moves in <b>May</b>, see https://x.example" == event["comment"]
    assert 1 == sum(event["status_id"] == 3 for event in events(everything))


def test_an_owner_is_named(sample: AuditResult) -> None:
    owned = replace(sample, findings=sample.findings.assign(owner=pd.Series("Ops", sample.findings.index, dtype="str")))
    for event in events(owned):
        assert {"name": "Ops"} == event["resources"][0]["owner"]


def test_a_rule_without_references_has_none(sample: AuditResult) -> None:
    bare = replace(sample, rules=tuple(replace(rule, references=()) for rule in sample.rules))
    assert {"desc"} == {member for event in events(bare) for member in event["remediation"]}


def test_any_text_comes_back_as_it_was() -> None:
    texts = ['"}],{"', "\\", "{0}", "a\u2028b", "\U0001f511", "é", "=1"]
    found = events(with_texts(texts))
    assert texts == [event["finding_info"]["desc"] for event in found]
    assert texts == [event["resources"][0]["name"] for event in found]
    assert texts == [event["resources"][0]["uid"] for event in found]


def test_it_comes_in_pieces_whatever_the_number_of_findings(
    crowd: AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(Ocsf().render(crowd, RenderSettings()))
    monkeypatch.setattr(_columns, "CHUNK", 8000)
    pieces = list(Ocsf().render(crowd, RenderSettings()))
    assert (1, 3, whole) == (len(whole), len(pieces), [b"".join(pieces)])
    assert {True} == {piece.endswith(b"}\n") for piece in pieces}


def test_an_account_without_findings_gives_an_empty_file(empty: AuditResult) -> None:
    assert [] == list(Ocsf().render(empty, RenderSettings()))
