"""Keys that may do more than their work can need."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, Rule, option
from keyaudit.standards import NIST_LEAST_PRIVILEGE, OVERPRIVILEGED, RUNTYPE_LEAST_PRIVILEGE
from keyaudit.text import visible
from keyaudit.wording import sentence

_NAMED = 5


@dataclass(frozen=True)
class BroadPermissionOptions:
    """Which permissions are broad; patterns are globs that do not mind case, and ``[*]`` is a star itself."""

    high: tuple[str, ...] = option(("[*]",), "permissions that make a key high")
    medium: tuple[str, ...] = option(("*:[*]", "*admin*", "*manage*", "*delete*"), "permissions that make a key medium")


class BroadPermission(Rule[BroadPermissionOptions]):
    name = "broad-permission"
    title = "Key may do too much"
    severity = Severity.MEDIUM
    rationale = (
        "What a stolen key can do is what it may do. Wildcards and administrative rights turn one leaked line of a "
        "log into the loss of the account."
    )
    remediation = (
        "Give the key the permissions that its work needs and no others; if nobody knows them, ask who uses it."
    )
    references = (OVERPRIVILEGED, NIST_LEAST_PRIVILEGE, RUNTYPE_LEAST_PRIVILEGE)
    needs_details = True
    after = ("stale", "never-used")
    Options = BroadPermissionOptions

    def check(self, context: Context[BroadPermissionOptions]) -> Iterable[KeyHits]:
        permissions = context.snapshot.keys["permissions"].cat
        # a handful of distinct sets serves all keys: each is judged once
        judged = [self._judge(json.loads(text), context.options) for text in permissions.categories]
        severities = np.array([-1 if severity is None else severity for severity, _ in judged] + [-1], np.int8)
        codes = permissions.codes.to_numpy()
        rows = np.flatnonzero(context.where & (severities[codes] >= 0))
        idle = context.found_by["stale"][rows] | context.found_by["never-used"][rows]
        broad = pa.array([text for _, text in judged], pa.string()).take(pa.array(codes[rows]))
        because = pa.array(np.where(idle, "; nothing uses the key, so that nothing needs them", ""), pa.string())
        yield KeyHits(
            rows,
            np.minimum(severities[codes[rows]] + idle, Severity.CRITICAL).astype(np.int8),
            sentence("holds broad permissions: ", broad, because),
        )

    def _judge(self, held: list[str], options: BroadPermissionOptions) -> tuple[Severity | None, str]:
        high = [each for each in held if _any_matches(each, options.high)]
        medium = [each for each in held if each not in high and _any_matches(each, options.medium)]
        severity = Severity.HIGH if high else self.severity if medium else None
        named = [visible(each, 64) for each in (high + medium)[:_NAMED]]
        more = len(high + medium) - len(named)
        return severity, ", ".join(named) + (f" and {more} more" if more else "")


def _any_matches(permission: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(permission.lower(), pattern.lower()) for pattern in patterns)
