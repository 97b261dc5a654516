"""Snapshots made by hand, for tests of the pure part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd

from keyaudit.evaluate import evaluate
from keyaudit.model import AuditResult, Finding, Policy, RejectedRow, RuleSetting, Snapshot, Totals, Waiver

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def key(
    id: str = "k1",
    name: str = "Billing sync",
    *,
    prefix: str = "rt_live_ab12",
    used: timedelta | datetime | None = timedelta(hours=1),
    active: bool = True,
    own: bool = False,
) -> dict[str, object]:
    """A row of the frame; *used* is a time, or how long ago, or ``None`` for never."""
    return {
        "id": id,
        "name": name,
        "prefix": prefix,
        "last_used_at": NOW - used if isinstance(used, timedelta) else used,
        "is_active": active,
        "own": own,
    }


def snapshot(
    *keys: dict[str, object],
    rejected: tuple[RejectedRow, ...] = (),
    totals: Totals | None = None,
    asked_with_key: bool = False,
) -> Snapshot:
    """A snapshot whose totals agree with its rows unless *totals* says otherwise."""
    frame = pd.DataFrame(list(keys), columns=["id", "name", "prefix", "last_used_at", "is_active", "own"]).astype(
        {
            "id": "str",
            "name": "str",
            "prefix": "str",
            "last_used_at": "datetime64[us, UTC]",
            "is_active": "bool",
            "own": "bool",
        }
    )
    received = len(keys) + len(rejected)
    active = int(frame["is_active"].sum())
    return Snapshot(
        source="test",
        now=NOW,
        keys=frame,
        rejected=rejected,
        received=received,
        totals=totals or Totals(received, active, received - active),
        live=False,
        asked_with_key=asked_with_key,
    )


def audit(
    *keys: dict[str, object],
    policy: Policy | None = None,
    waivers: tuple[Waiver, ...] = (),
    rejected: tuple[RejectedRow, ...] = (),
    totals: Totals | None = None,
    asked_with_key: bool = False,
) -> AuditResult:
    """The result of auditing *keys*."""
    taken = snapshot(*keys, rejected=rejected, totals=totals, asked_with_key=asked_with_key)
    return evaluate(taken, policy or Policy(), waivers)


def findings(rule: str, *keys: dict[str, object], policy: Policy | None = None) -> list[Finding]:
    """What *rule* alone finds on *keys*, in order."""
    return [finding for finding in audit(*keys, policy=policy).worst() if finding.rule == rule]


def only(rule: str, **setting: object) -> Policy:
    """A policy that sets one rule; ``enabled``, ``severity`` and ``inactive`` are told from options by name."""
    own = {name: setting.pop(name) for name in ("enabled", "severity", "inactive") if name in setting}
    return Policy(rules={rule: RuleSetting(**own, options=setting)})  # type: ignore[arg-type]
