"""The JSON report, against its published schema and against the result that it was made from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jsonschema
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyaudit.model import AuditResult
from keyaudit.render import RenderSettings, _columns
from keyaudit.render.json import Json
from tests.render.conftest import with_texts

SCHEMA = json.loads(files("keyaudit").joinpath("schema", "audit-result-1.schema.json").read_text("utf-8"))


def chunks(result: AuditResult) -> list[bytes]:
    return list(Json().render(result, RenderSettings()))


def report(result: AuditResult) -> Any:
    return json.loads(b"".join(chunks(result)))


def closed(schema: Any) -> Any:
    """*schema* with every object closed: no member that it does not describe, and all that it describes."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: closed(each) for name, each in schema.items()}
    if "properties" in schema and "type" in schema:
        copy |= {"additionalProperties": False, "required": list(schema["properties"])}
    return copy


# ---------------------------------------------------------------- the schema


def test_the_schema_is_one_and_requires_all_that_it_describes() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert closed(SCHEMA)["required"] == SCHEMA["required"]
    assert ("urn:keyaudit:schema:audit-result:1", 1) == (SCHEMA["$id"], SCHEMA["properties"]["version"]["const"])


@pytest.mark.parametrize("account", ["sample", "everything", "hostile", "empty"])
def test_the_report_is_what_the_schema_describes_and_nothing_else(account: str, request: pytest.FixtureRequest) -> None:
    whole = report(request.getfixturevalue(account))
    errors = jsonschema.Draft202012Validator(closed(SCHEMA)).iter_errors(whole)
    assert [] == [f"{error.json_path}: {error.message}" for error in errors]


def test_the_schema_tells_a_wrong_report(sample: AuditResult) -> None:
    whole = report(sample)
    whole["findings"][0]["severity"] = "awful"
    del whole["counts"]["read"]
    errors = jsonschema.Draft202012Validator(SCHEMA).iter_errors(whole)
    assert {"$.counts", "$.findings[0].severity"} == {error.json_path for error in errors}


# ---------------------------------------------------------------- what it says


def test_the_sample(sample: AuditResult) -> None:
    whole = report(sample)
    assert ("keyaudit/audit-result", 1) == (whole["format"], whole["version"])
    assert ("default", "sample-analytics.json", "2024-04-25T12:00:00Z", "UTC") == (
        whole["account"],
        whole["source"],
        whole["now"],
        whole["timezone"],
    )
    assert {"fail_on": "high", "exit_codes": [0]} == whole["outcome"]
    assert {"total": 5, "active": 3, "expired": 2} == whole["claimed"]
    assert {
        "id": "default:stale:c3d4e5f6-7890-1234-ab56-cd78ef901234",
        "rule": "stale",
        "severity": "medium",
        "key": {
            "id": "c3d4e5f6-7890-1234-ab56-cd78ef901234",
            "name": "Staging Key",
            "prefix": "runtype_9012",
            "active": True,
            "own": False,
            "last_used_at": "2024-02-28T17:00:00Z",
        },
        "evidence": "last used 56 days ago, on 28 Feb 2024 17:00 UTC; the limit is 45 days",
        "action": whole["policy"]["rules"]["stale"]["remediation"],
        "waived_by": None,
        "owner": None,
    } == whole["findings"][0]
    assert ["Primary API Key"] == [key["name"] for key in whole["clean_keys"]]


def test_waivers_overrides_and_rejected_rows(everything: AuditResult) -> None:
    whole = report(everything)
    assert {"fail_on": "medium", "exit_codes": [1]} == whole["outcome"]
    assert ["in force", "expired", "matches nothing"] == [waiver["state"] for waiver in whole["waivers"]]
    waived = {finding["key"]["id"]: finding["waived_by"] for finding in whole["findings"]}
    assert {"k2": 0} == {key: waiver for key, waiver in waived.items() if waiver is not None}
    assert {
        "selector": {"ids": [], "names": ["Nightly*", "x|y"], "prefixes": [], "owners": [], "active": True},
        "rules": {
            "stale": {"enabled": None, "severity": "low", "inactive": True, "options": {"days": "30"}},
            "vague-name": {"enabled": False, "severity": None, "inactive": None, "options": {}},
        },
        "comment": "asked for by @ops in #7",
    } == whole["policy"]["overrides"][0]
    assert [(8, None, "no id | here"), (9, "k10", "bad time"), (10, None, None)] == [
        (rejected["index"], rejected["id"], rejected["name"]) for rejected in whole["rejected"]
    ]


def test_findings_on_the_account_have_no_key(everything: AuditResult) -> None:
    on_account = {"id": None, "name": None, "prefix": None, "active": None, "own": False, "last_used_at": None}
    keys = {finding["id"]: finding["key"] for finding in report(everything)["findings"]}
    assert on_account == keys["acme-prod:count-mismatch:total"]
    read = {"id": "k10", "name": "bad time", "prefix": "rt_live_ab12"}
    assert on_account | read == keys["acme-prod:unreadable-key:k10"]


def test_an_audit_that_never_fails_says_so(sample: AuditResult) -> None:
    assert "never" == report(replace(sample, fail_on=None))["outcome"]["fail_on"]


def test_bars_of_the_chart_say_what_they_span(sample: AuditResult) -> None:
    buckets = report(sample)["use"]["buckets"]
    spans = [(bucket["label"], bucket["from_days"], bucket["below_days"]) for bucket in buckets]
    assert [("0", 0, 1), ("365+", 365, None), ("never", None, None)] == [spans[0], *spans[-2:]]


# ---------------------------------------------------------------- how it is written


def test_each_finding_and_each_clean_key_is_one_line(crowd: AuditResult, sample: AuditResult) -> None:
    lines = b"".join(chunks(crowd)).splitlines()
    ids = [json.loads(line.rstrip(b","))["id"] for line in lines if line.startswith(b'    {"id": ')]
    assert list(crowd.findings["id"]) == ids
    clean = b'\n    {"id": "a1b2c3d4-e5f6-7890-ab12-cd34ef567890", "name": "Primary API Key", '
    assert clean in b"".join(chunks(sample))


def test_it_comes_in_pieces_whatever_the_number_of_findings(
    crowd: AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = b"".join(chunks(crowd))
    monkeypatch.setattr(_columns, "CHUNK", 99)
    pieces = chunks(crowd)
    assert whole == b"".join(pieces)
    assert max(map(len, pieces)) < len(whole) / 20


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_any_text_comes_back_as_it_was(texts: list[str]) -> None:
    whole = report(with_texts(texts))["findings"]
    assert [(text, text or None, text or None, text) for text in texts] == [
        (each["id"], each["key"]["id"], each["key"]["name"], each["evidence"]) for each in whole
    ]


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2024, 4, 20, 14, 45, 0, 999_999, UTC), "2024-04-20T14:45:00Z"),
        (datetime(1969, 12, 31, 23, 59, 59, 1, UTC), "1969-12-31T23:59:59Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC), "9999-12-31T23:59:59Z"),
        (None, None),
    ],
)
def test_times_are_rounded_down_to_the_second(moment: datetime | None, shown: str | None, sample: AuditResult) -> None:
    times = pd.Series([moment] * len(sample.findings), dtype="datetime64[us, UTC]")
    result = replace(sample, findings=sample.findings.assign(last_used_at=times), now=moment or sample.now)
    whole = report(result)
    assert {shown} == {finding["key"]["last_used_at"] for finding in whole["findings"]}
    assert (shown or "2024-04-25T12:00:00Z") == whole["now"]
