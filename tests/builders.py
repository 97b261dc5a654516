"""Snapshots made by hand, for tests of the pure part."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pandas as pd

from keyaudit.evaluate import evaluate
from keyaudit.frame import COLUMNS
from keyaudit.model import (
    AuditResult,
    DetailsState,
    Finding,
    Policy,
    RejectedRow,
    RuleSetting,
    Snapshot,
    Totals,
    Waiver,
)

READ = DetailsState(read=True)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def key(
    id: str = "k1",
    name: str = "Billing sync",
    *,
    prefix: str = "rt_live_ab12",
    used: timedelta | datetime | None = timedelta(hours=1),
    active: bool = True,
    own: bool = False,
    listed: str = "both",
    detailed: bool = True,
    created: timedelta | datetime | None = None,
    expires: timedelta | datetime | None = timedelta(days=200),
    ends: bool | None = True,
    permissions: list[str] | None = None,
    allowed_ips: int | None = None,
    test: bool | None = None,
    revealable: bool | None = None,
) -> dict[str, object]:
    """A row of the frame. *used* and *created* are times, or how long ago; *expires* is a time, or in how long."""
    return {
        "id": id,
        "name": name,
        "prefix": prefix,
        "last_used_at": NOW - used if isinstance(used, timedelta) else used,
        "is_active": active,
        "own": own,
        "listed": listed if detailed else "analytics",
        "detailed": detailed,
        "created_at": NOW - created if isinstance(created, timedelta) else created,
        "expires_at": NOW + expires if isinstance(expires, timedelta) else expires,
        "ends": ends if detailed else None,
        "permissions": None if permissions is None else json.dumps(permissions),
        "allowed_ips": allowed_ips,
        "is_test": test,
        "can_reveal": revealable,
    }


def snapshot(
    *keys: dict[str, object],
    rejected: tuple[RejectedRow, ...] = (),
    totals: Totals | None = None,
    asked_with_key: bool = False,
    details: DetailsState = READ,
) -> Snapshot:
    """A snapshot whose totals agree with its rows unless *totals* says otherwise."""
    frame = pd.DataFrame(list(keys), columns=list(COLUMNS)).astype(COLUMNS)
    received = len(keys) + sum(row.list == "analytics" for row in rejected)
    active = int(frame["is_active"].sum())
    return Snapshot(
        source="test",
        now=NOW,
        keys=frame,
        rejected=rejected,
        received=received,
        totals=totals or Totals(received, active, received - active),
        counted=Totals(received, active, len(keys) - active),
        live=False,
        asked_with_key=asked_with_key,
        details=details,
    )


def audit(
    *keys: dict[str, object],
    policy: Policy | None = None,
    waivers: tuple[Waiver, ...] = (),
    rejected: tuple[RejectedRow, ...] = (),
    totals: Totals | None = None,
    asked_with_key: bool = False,
    details: DetailsState = READ,
) -> AuditResult:
    """The result of auditing *keys*."""
    taken = snapshot(*keys, rejected=rejected, totals=totals, asked_with_key=asked_with_key, details=details)
    return evaluate(taken, policy or Policy(), waivers)


def findings(rule: str, *keys: dict[str, object], policy: Policy | None = None) -> list[Finding]:
    """What *rule* alone finds on *keys*, in order."""
    return [finding for finding in audit(*keys, policy=policy).worst() if finding.rule == rule]


def only(rule: str, **setting: object) -> Policy:
    """A policy that sets one rule; ``enabled``, ``severity`` and ``inactive`` are told from options by name."""
    own = {name: setting.pop(name) for name in ("enabled", "severity", "inactive") if name in setting}
    return Policy(rules={rule: RuleSetting(**own, options=setting)})  # type: ignore[arg-type]
