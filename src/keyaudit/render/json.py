"""Everything, for programs: versioned, and described by ``keyaudit/schema/audit-result-1.schema.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from keyaudit.model import AuditResult, Override, Reference, RuleSetting, Selector, Severity, WaiverInForce
from keyaudit.render import Format, RenderSettings
from keyaudit.wording import option_value

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FORMAT = "keyaudit/audit-result"
VERSION = 1
"""Goes up when a member is removed or changes its meaning; members may be added without that."""

Shape = Mapping[str, "str | Shape"]
"""The members of an object, in order: the column that each holds, or an object within."""

_FINDING: Shape = {
    "id": "id",
    "rule": "rule",
    "severity": "severity",
    "key": {
        "id": "key_id",
        "name": "key_name",
        "prefix": "key_prefix",
        "active": "active",
        "own": "own",
        "last_used_at": "last_used_at",
    },
    "evidence": "evidence",
    "action": "action",
    "waived_by": "waiver",
    "owner": "owner",
}
_CLEAN_KEY: Shape = {
    "id": "id",
    "name": "name",
    "prefix": "prefix",
    "active": "is_active",
    "own": "own",
    "last_used_at": "last_used_at",
    "owner": "owner",
}


class Json(Format):
    """One object; in its lists of keys and findings each line holds one."""

    name = "json"
    suffix = "json"
    summary = "everything, for programs; versioned, with a JSON Schema"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:  # noqa: ARG002 - needs none
        """UTF-8 without a byte order mark. Times are RFC 3339 in UTC, rounded down to the second."""
        import msgspec

        head = msgspec.json.format(msgspec.json.encode(_head(result)), indent=2)
        yield head.removesuffix(b"\n}")
        yield b',\n  "clean_keys": ['
        yield from _objects(result.clean_keys, _CLEAN_KEY)
        yield b'],\n  "findings": ['
        yield from _objects(result.findings, _FINDING)
        yield b"]\n}\n"


# ---------------------------------------------------------------- lists that may be long


def _objects(frame: pd.DataFrame, shape: Shape) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from keyaudit.render._columns import chunks, join

    separator = "\n    "
    for columns in chunks(frame):
        objects = join(*_parts(shape, columns))
        listed = pa.ListArray.from_arrays(pa.array([0, len(objects)], pa.int32()), objects)
        yield separator.encode()
        yield pc.binary_join(listed, ",\n    ")[0].as_buffer().to_pybytes()
        separator = ",\n    "
    if len(frame):
        yield b"\n  "


def _parts(shape: Shape, columns: dict[str, pa.Array]) -> Iterator[str | pa.Array]:
    opening = "{"
    for name, source in shape.items():
        yield f'{opening}"{name}": '
        if isinstance(source, str):
            yield _value(source, columns[source])
        else:
            yield from _parts(source, columns)
        opening = ", "
    yield "}"


def _value(name: str, column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    from keyaudit.render._columns import as_text, quoted

    text = as_text(column, quoted)
    # what the model says with an empty text or -1 for want of a cheap null, JSON says with null
    if name in {"key_id", "key_name", "key_prefix", "owner"}:
        text = pc.if_else(pc.equal(column, ""), "null", text)
    elif name == "waiver":
        text = pc.if_else(pc.less(column, 0), "null", text)
    return pc.fill_null(text, "null")


# ---------------------------------------------------------------- the rest


def _head(result: AuditResult) -> dict[str, Any]:
    counts = result.counts
    return {
        "format": FORMAT,
        "version": VERSION,
        "keyaudit": result.version,
        "account": result.account,
        "source": result.source,
        "now": _moment(result.now),
        "timezone": str(result.zone),
        "outcome": {"fail_on": _label(result.fail_on) or "never", "exit_codes": result.exit_codes},
        "counts": {
            "received": counts.received,
            "read": counts.read,
            "rejected": counts.rejected,
            "active": counts.active,
            "inactive": counts.inactive,
            "never_used": counts.never_used,
            "without_findings": counts.without_findings,
            "findings": counts.findings,
            "waived": counts.waived,
            "by_severity": {severity.label: number for severity, number in counts.by_severity.items()},
            "by_rule": counts.by_rule,
        },
        "claimed": {"total": result.totals.total, "active": result.totals.active, "expired": result.totals.expired},
        "use": {
            "thresholds": result.use_thresholds,
            "buckets": [
                {
                    "label": bucket.label,
                    "from_days": None if bucket.low < 0 else bucket.low,
                    "below_days": bucket.high,
                    "keys": bucket.keys,
                }
                for bucket in result.use
            ],
        },
        "notes": [{"code": note.code, "text": note.text} for note in result.notes],
        "details": {"read": result.details.read, "reason": result.details.reason or None},
        "policy": {
            "profile": result.profile,
            "rules": {
                rule.name: {
                    "title": rule.title,
                    "rationale": rule.rationale,
                    "remediation": rule.remediation,
                    "references": [_reference(each) for each in rule.references],
                    "state": rule.state,
                    "reason": rule.reason or None,
                    "enabled": rule.enabled,
                    "inactive": rule.inactive,
                    "severity": _label(rule.severity),
                    "options": rule.options,
                    "overridden": rule.overridden,
                    "findings": rule.findings,
                }
                for rule in result.rules
            },
            "overrides": [_override(override) for override in result.overrides],
        },
        "compliance": [
            {
                **_reference(clause.reference),
                "rules": clause.rules,
                "state": clause.state,
                "findings": clause.findings,
                "waived": clause.waived,
            }
            for clause in result.compliance
        ],
        "waivers": [_waiver(waiver) for waiver in result.waivers],
        "rejected": [
            {
                "list": row.list,
                "index": row.index,
                "kept": row.kept,
                "problem": row.problem,
                "digest": row.digest,
                "id": row.id,
                "name": row.name,
                "prefix": row.prefix,
            }
            for row in result.rejected
        ],
    }


def _reference(reference: Reference) -> dict[str, Any]:
    return {
        "standard": reference.standard.slug,
        "title": reference.title,
        "version": reference.standard.version or None,
        "clause": reference.number or None,
        "says": reference.says,
        "analogous": reference.analogous,
        "earlier": reference.earlier or None,
        "url": reference.url or None,
    }


def _override(override: Override) -> dict[str, Any]:
    return {
        "selector": _selector(override.selector),
        "rules": {name: _setting(setting) for name, setting in override.rules.items()},
        "comment": override.comment,
    }


def _setting(setting: RuleSetting) -> dict[str, Any]:
    return {
        "enabled": setting.enabled,
        "severity": _label(setting.severity),
        "inactive": setting.inactive,
        "options": {name: option_value(value) for name, value in setting.options.items()},
    }


def _waiver(in_force: WaiverInForce) -> dict[str, Any]:
    waiver = in_force.waiver
    return {
        "selector": _selector(waiver.selector),
        "rules": waiver.rules,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "expires": waiver.expires.isoformat(),
        "state": in_force.state,
        "findings": in_force.findings,
    }


def _selector(selector: Selector) -> dict[str, Any]:
    return {
        "ids": selector.ids,
        "names": selector.names,
        "prefixes": selector.prefixes,
        "owners": selector.owners,
        "active": selector.active,
    }


def _label(severity: Severity | None) -> str | None:
    return None if severity is None else severity.label


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
