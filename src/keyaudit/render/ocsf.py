"""OCSF Detection Findings, one JSON object a line, for SIEMs and security data lakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from keyaudit.model import AuditResult, RuleInForce, Severity
from keyaudit.render import Format, RenderSettings
from keyaudit.render._words import accepted, rfc3339

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "1.3.0"
"""The version of OCSF that the objects follow."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEVERITIES = {
    Severity.INFO: (1, "Informational"),
    Severity.LOW: (2, "Low"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.HIGH: (4, "High"),
    Severity.CRITICAL: (5, "Critical"),
}
_RULE = 1  # OCSF's type_id for an analytic that is a rule


class Ocsf(Format):
    """Every line is an event of its own: all that is to be known of a finding stands in it."""

    name = "ocsf"
    suffix = "ocsf.jsonl"
    summary = "OCSF Detection Findings, one JSON object a line, for SIEMs and data lakes"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:  # noqa: ARG002 - needs none
        """UTF-8. Times are milliseconds since 1970, but RFC 3339 in the data of a resource."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from keyaudit.render._columns import CHUNK, chunks, join

        fragments = _Fragments(result)
        # an event is several times as long as a row of other formats
        for columns in chunks(result.findings, CHUNK // 8):
            events = join(*fragments.event(columns), "\n")
            listed = pa.ListArray.from_arrays(pa.array([0, len(events)], pa.int32()), events)
            yield pc.binary_join(listed, "")[0].as_buffer().to_pybytes()


class _Fragments:
    """Members of the event as JSON text, made once where they depend on the rule, the severity or the waiver alone."""

    def __init__(self, result: AuditResult) -> None:
        moment = (result.now - _EPOCH) // timedelta(milliseconds=1)
        self.at = f"@{rfc3339(result.now)}"
        self.account = _members({"type": "Runtype account", "uid": result.account, "name": result.account})
        self.namespace = _members({"type": "API key", "namespace": result.account})
        self.common = _members(
            {
                "category_uid": 2,
                "category_name": "Findings",
                "class_uid": 2004,
                "class_name": "Detection Finding",
                "activity_id": 1,
                "activity_name": "Create",
                "type_uid": 200401,
                "type_name": "Detection Finding: Create",
                "time": moment,
            }
        )
        self.metadata = _members(
            {
                "version": SCHEMA,
                "product": {"name": "keyaudit", "vendor_name": "keyaudit", "version": result.version},
                "tenant_uid": result.account,
            }
        )
        self.severities = {
            severity.label: _members({"severity_id": number, "severity": name})
            for severity, (number, name) in _SEVERITIES.items()
        }
        self.infos = {rule.name: _members(_info(rule)) for rule in result.rules}
        self.remedies = {rule.name: _members({"remediation": _remedy(rule)}) for rule in result.rules}
        self.new = _members({"status_id": 1, "status": "New"})
        self.suppressed = [
            _members({"status_id": 3, "status": "Suppressed", "comment": accepted(each.waiver)})
            for each in result.waivers
        ]

    def event(self, columns: dict[str, pa.Array]) -> Iterator[str | pa.Array]:
        """The parts of the events, one a row of *columns*."""
        from keyaudit.render._columns import as_text, join, quoted

        ids = columns["id"].cast("string")
        yield from ("{", self.common, ",", _looked_up(columns["severity"], self.severities), ",")
        yield from (self._status(columns["waiver"]), ',"message":', quoted(_message(columns)), ",")
        yield from ('"metadata":{', self.metadata, ',"uid":', quoted(join(ids, self.at)), "},")
        yield from ('"finding_info":{"uid":', quoted(ids), ",", _looked_up(columns["rule"], self.infos))
        yield from (',"desc":', as_text(columns["evidence"], quoted), "},")
        yield from ('"resources":[{', self._resource(columns), "}],", _looked_up(columns["rule"], self.remedies), "}")

    def _status(self, waiver: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        index = pc.if_else(pc.greater_equal(waiver, 0), waiver, pa.scalar(None, pa.int32()))
        return pc.fill_null(pa.array(self.suppressed, pa.string()).take(index), self.new)

    def _resource(self, columns: dict[str, pa.Array]) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        from keyaudit.render._columns import as_text, join, quoted

        def unless_empty(name: str, before: str, after: str = "") -> pa.Array:
            text = columns[name].cast(pa.string())
            return pc.if_else(pc.equal(text, ""), "", join(before, quoted(text), after))

        key = join(
            self.namespace,
            unless_empty("key_id", ',"uid":'),
            unless_empty("key_name", ',"name":'),
            unless_empty("owner", ',"owner":{"name":', "}"),
            ',"data":{"prefix":',
            quoted(columns["key_prefix"].cast(pa.string())),
            ',"active":',
            pc.fill_null(columns["active"].cast(pa.string()), "null"),
            ',"own":',
            columns["own"].cast(pa.string()),
            ',"last_used_at":',
            pc.fill_null(as_text(columns["last_used_at"], quoted), "null"),
            "}",
        )
        return pc.if_else(_on_account(columns), self.account, key)


def _members(members: Mapping[str, object]) -> str:
    """The members of an object, without its braces."""
    import msgspec

    return msgspec.json.encode(members).decode()[1:-1]


def _info(rule: RuleInForce) -> dict[str, Any]:
    return {
        "title": rule.title,
        "types": ["API key hygiene"],
        "analytic": {"type_id": _RULE, "type": "Rule", "uid": rule.name, "name": rule.title},
    }


def _remedy(rule: RuleInForce) -> dict[str, Any]:
    references = [reference.title for reference in rule.references]
    return {"desc": rule.remediation, **({"references": references} if references else {})}


def _looked_up(column: pa.Array, fragments: Mapping[str, str]) -> pa.Array:
    import pyarrow as pa

    from keyaudit.render._columns import as_text

    return as_text(column, lambda names: pa.array([fragments[name] for name in names.to_pylist()], pa.string()))


def _message(columns: dict[str, pa.Array]) -> pa.Array:
    import pyarrow.compute as pc

    from keyaudit.render._columns import join

    ids, names, evidence = (columns[name].cast("string") for name in ("key_id", "key_name", "evidence"))
    nameless = pc.if_else(pc.equal(ids, ""), "the account", join("the key ", ids))
    return join(pc.if_else(pc.equal(names, ""), nameless, names), ": ", evidence)


def _on_account(columns: dict[str, pa.Array]) -> pa.Array:
    import pyarrow.compute as pc

    return pc.and_(pc.equal(columns["key_id"], ""), pc.equal(columns["key_name"], ""))
