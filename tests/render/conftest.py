"""Audit results as they really come about: from documents, through frame and evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from keyaudit.evaluate import evaluate
from keyaudit.frame import read_analytics
from keyaudit.model import (
    Answer,
    AuditResult,
    Override,
    Policy,
    RuleSetting,
    Selector,
    Severity,
    Waiver,
)
from tests.hostile import HOSTILE

SAMPLE = Path(__file__).parents[1] / "data" / "sample-analytics.json"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PREFIX = "rt_live_ab12"


def audit_document(body: bytes, *, source: str = "sample-analytics.json", **more: Any) -> AuditResult:
    """The result of auditing *body*; *more* goes to :func:`evaluate`."""
    more = {"policy": Policy(), **more}
    return evaluate(read_analytics(Answer(body, source), local_now=NOW), more.pop("policy"), **more)


def row(id: str, name: str, *, idle: timedelta | None, active: bool = True) -> dict[str, object]:
    """A row of an answer; *idle* since its last use, ``None`` for never used."""
    used = None if idle is None else (NOW - idle).isoformat()
    return {"id": id, "name": name, "keyPrefix": PREFIX, "lastUsedAt": used, "isActive": active}


def document(*rows: object, totals: dict[str, int] | None = None) -> bytes:
    """An answer with *rows*, whose totals agree with them unless *totals* says otherwise."""
    active = sum(1 for each in rows if isinstance(each, dict) and each.get("isActive"))
    right = {"totalKeys": len(rows), "activeKeys": active, "expiredKeys": len(rows) - active}
    return json.dumps(
        {"analytics": {**right, **(totals or {}), "keyBreakdown": rows}, "timestamp": NOW.isoformat()}
    ).encode()


@cache
def _never_used() -> AuditResult:
    return audit_document(document(*(row(f"k{number}", "a", idle=None) for number in range(10))))


def with_texts(texts: list[str]) -> AuditResult:
    """A result with a finding for each of at most ten *texts*, which stands, raw, in each column of text."""
    findings = _never_used().findings.head(len(texts)).copy()
    for column in ("id", "key_id", "key_name", "key_prefix", "evidence"):
        findings[column] = pd.Series(texts, index=findings.index, dtype="str")
    return replace(_never_used(), findings=findings)


@pytest.fixture(scope="session")
def sample() -> AuditResult:
    """The documented sample under the default policy."""
    return audit_document(SAMPLE.read_bytes())


@pytest.fixture(scope="session")
def empty() -> AuditResult:
    """An account that lists no key."""
    return audit_document(document())


@pytest.fixture(scope="session")
def hostile() -> AuditResult:
    """A key never used for each hostile name, in the order of the names, and no other finding."""
    rows = [row(f"k{number:03}", name, idle=None) for number, (_, name) in enumerate(HOSTILE)]
    quiet = {name: RuleSetting(enabled=False) for name in ("vague-name", "twin-name")}
    return audit_document(document(*rows), policy=Policy(rules=quiet))


@pytest.fixture(scope="session")
def crowd() -> AuditResult:
    """2,500 keys with one finding each, more than a format for people holds; the last 100 findings are waived."""
    rows = [
        row(f"k{number:04}", f"Worker {number} of many", idle=timedelta(days=60 + number)) for number in range(2500)
    ]
    quiet = {name: RuleSetting(enabled=False) for name in ("vague-name", "twin-name")}
    waiver = Waiver(Selector(ids=("k00*",)), ("stale",), "they sleep till spring", "Ops", date(2027, 3, 1))
    return audit_document(document(*rows), policy=Policy(rules=quiet), waivers=(waiver,))


@pytest.fixture(scope="session")
def everything() -> AuditResult:
    """A small account with something of every kind: severities, waivers, overrides, rejected rows, notes, own time."""
    rows = [
        row("k1", "Billing sync", idle=timedelta(days=100)),
        row("k2", "Search indexer", idle=timedelta(days=50)),
        row("k3", "Nightly export", idle=timedelta(days=70)),
        row("k4", "Old import", idle=None, active=False),
        row("k5", "test", idle=timedelta(hours=1)),
        row("k6", "Partner feed", idle=timedelta(minutes=1)),
        row("k7", "Ledger @ops <b>", idle=None),
        row("k8", "Temp", idle=timedelta(days=2)),
        {"name": "no id | here", "keyPrefix": PREFIX, "lastUsedAt": None, "isActive": True},
        {"id": "k10", "name": "bad time", "keyPrefix": PREFIX, "lastUsedAt": "yesterday", "isActive": True},
        "not even an object",
    ]
    policy = Policy(
        rules={"never-used": RuleSetting(severity=Severity.CRITICAL), "too-many-active": RuleSetting(enabled=True)},
        overrides=(
            Override(
                Selector(names=("Nightly*", "x|y"), active=True),
                {
                    "stale": RuleSetting(severity=Severity.LOW, inactive=True, options={"days": 30}),
                    "vague-name": RuleSetting(enabled=False),
                },
                "asked for by @ops in #7",
            ),
            Override(Selector(ids=("k5",), prefixes=("rt_*",), active=False), {"expired": RuleSetting(enabled=True)}),
            Override(Selector(), {"never-used": RuleSetting(inactive=False)}),
        ),
    )
    waivers = (
        Waiver(
            Selector(ids=("k2",)),
            ("stale",),
            "=SUM(1) moves in <b>May</b>, see https://x.example",
            "Ops",
            date(2027, 1, 1),
        ),
        Waiver(Selector(names=("Old*",)), ("*",), "kept for the auditors", "Finance", date(2026, 1, 1)),
        Waiver(Selector(prefixes=("tv_*",)), ("stale", "expired"), "none left", "Ops", date(2027, 1, 1)),
    )
    return audit_document(
        document(*rows, totals={"totalKeys": 12}),
        policy=policy,
        waivers=waivers,
        zone=ZoneInfo("Asia/Kolkata"),
        fail_on=Severity.MEDIUM,
        account="acme-prod",
    )
