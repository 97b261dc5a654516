"""SARIF 2.1.0, for code-scanning services and editors."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import Any

from keyaudit.model import AuditResult, Finding, RuleInForce, Severity
from keyaudit.render import Format, RenderSettings
from keyaudit.render._words import accepted, rfc3339, subject, where_all_are
from keyaudit.wording import count

MOST = 5000
"""How many results a file holds at most: services show no more."""

COMPRESSED = 9_500_000
"""How many bytes a file has at most once gzipped, which is how it is uploaded. Services refuse more than 10 MB."""

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
# in the ranges that services map back to the same words: above 9, 7, 4 and 0.1
_SCORES = {
    Severity.INFO: "1.0",
    Severity.LOW: "3.0",
    Severity.MEDIUM: "5.5",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}


class Sarif(Format):
    """One run. What stands in no file is given a place in one that does not exist, because services ask for one."""

    name = "sarif"
    suffix = "sarif"
    summary = "SARIF 2.1.0, for code-scanning services; at most 5,000 findings"

    def render(self, result: AuditResult, settings: RenderSettings) -> Iterator[bytes]:
        """UTF-8, one result a line. Waived findings are left out unless the settings include them."""
        held = len(result.findings) if settings.include_waived else result.counts.findings
        rules = {rule.name: place for place, rule in enumerate(result.rules)}
        room = COMPRESSED - _compressed(_head(result, settings, held, 0))
        results = list(_fitting(room, _results(result, settings, min(held, MOST), rules)))
        yield _head(result, settings, held, len(results)).removesuffix(b"}]}")
        yield b',"results":[\n' + b",\n".join(results) + b"\n]}]}\n"


def inert(text: str) -> str:
    """*text* without what SARIF gives a meaning to in messages: braces (placeholders) and links.

    SARIF would have braces doubled and brackets escaped, which services show as they are or do not understand. So
    they are spelt out as :func:`keyaudit.text.visible` spells what could be mistaken for something else.
    """
    return re.sub(r"[{}]|(?<=\])\(", lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


# ---------------------------------------------------------------- the run


def _head(result: AuditResult, settings: RenderSettings, held: int, shown: int) -> bytes:
    import msgspec

    run = {
        "tool": {"driver": {"name": "keyaudit", "version": result.version, "rules": list(_rules(result, settings))}},
        "automationDetails": {"id": f"keyaudit/{result.account}/"},
        "invocations": [
            {
                "executionSuccessful": True,
                "endTimeUtc": rfc3339(result.now),
                "toolExecutionNotifications": list(_notifications(result, settings, held, shown)),
            }
        ],
        "properties": {
            "account": result.account,
            "source": result.source,
            "findings": result.counts.findings,
            "waived": result.counts.waived,
            "leftOut": held - shown,
        },
    }
    return msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rules(result: AuditResult, settings: RenderSettings) -> Iterator[dict[str, Any]]:
    held = result.findings if settings.include_waived else result.findings[result.findings["waiver"] < 0]
    worst = held.groupby("rule", observed=True)["severity"].max()
    for rule in result.rules:
        severity = Severity(worst[rule.name]) if rule.name in worst else rule.severity
        clauses = [each for each in rule.references if each.number]
        yield {
            "id": rule.name,
            "name": "".join(word.capitalize() for word in rule.name.split("-")),
            "shortDescription": {"text": inert(rule.title)},
            "fullDescription": {"text": inert(rule.rationale)},
            "help": _help(rule),
            **_help_uri(rule),
            "defaultConfiguration": {
                "enabled": rule.enabled and rule.state == "on",
                **({} if severity is None else {"level": _LEVELS[severity]}),
            },
            "properties": {
                "precision": "very-high",
                # services know a severity of rules alone, so that it is that of the worst finding
                **({} if severity is None else {"security-severity": _SCORES[severity]}),
                "tags": ["security", *(f"external/{each.standard.slug}/{each.number}" for each in clauses)],
            },
        }


def _help(rule: RuleInForce) -> dict[str, str]:
    titles = [reference.title for reference in rule.references]
    see = f"\n\nSee {'; '.join(titles)}." if titles else ""
    linked = [f"[{each.title}]({each.url})" if each.url else each.title for each in rule.references]
    items = "".join(f"\n- {each}" for each in linked)
    return {
        "text": inert(f"{rule.rationale}\n\nWhat to do: {rule.remediation}{see}"),
        "markdown": f"{rule.rationale}\n\n**What to do:** {rule.remediation}" + (f"\n\nSee\n{items}" if items else ""),
    }


def _help_uri(rule: RuleInForce) -> dict[str, str]:
    urls = [reference.url for reference in rule.references if reference.url]
    return {"helpUri": urls[0]} if urls else {}


def _notifications(result: AuditResult, settings: RenderSettings, held: int, shown: int) -> Iterator[dict[str, Any]]:
    if shown < held:
        cut = f"{count(held - shown, 'finding')} of {held:,} left out: this file holds the worst {shown:,}."
        yield _notification("results-cut", "warning", f"{cut} {where_all_are(settings)}")
    for note in result.notes:
        yield _notification(note.code, "note", note.text)
    for place, rule in enumerate(result.rules):
        if rule.state == "not evaluated":
            told = _notification("rule-not-evaluated", "warning", f"{rule.name} was not evaluated. {rule.reason}")
            yield {**told, "associatedRule": {"id": rule.name, "index": place}}


def _notification(code: str, level: str, text: str) -> dict[str, Any]:
    return {"descriptor": {"id": code}, "level": level, "message": {"text": inert(text)}}


# ---------------------------------------------------------------- results


def _results(result: AuditResult, settings: RenderSettings, most: int, rules: dict[str, int]) -> Iterator[bytes]:
    import msgspec

    for finding in result.worst(most):
        told = _result(result.account, finding, rules[finding.rule])
        if settings.include_waived:
            # SARIF wants suppressions with all results of a run or with none
            told["suppressions"] = _suppressions(result, finding)
        yield msgspec.json.encode(told)


def _result(account: str, finding: Finding, rule: int) -> dict[str, Any]:
    digest = hashlib.sha256(finding.id.encode()).hexdigest()
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": inert(f"{subject(finding)}: {finding.evidence}. {finding.action}")},
        "locations": [
            {
                "physicalLocation": {
                    # the name of an account is made of characters that an address may hold
                    "artifactLocation": {"uri": f"runtype/{account}/api-keys.json"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {
                        "name": finding.key_name or finding.key_id or account,
                        "fullyQualifiedName": f"{account}/{finding.key_id}".rstrip("/"),
                        "kind": "resource",
                    }
                ],
            }
        ],
        # services that know nothing of ours tell results apart by the hash of a line
        "partialFingerprints": {"keyaudit/findingId/v1": digest, "primaryLocationLineHash": f"{digest[:16]}:1"},
        "properties": {
            "findingId": finding.id,
            "severity": finding.severity.label,
            "keyId": finding.key_id,
            "keyName": finding.key_name,
            "keyPrefix": finding.key_prefix,
            "owner": finding.owner,
            "active": finding.active,
            "own": finding.own,
            "lastUsedAt": None if finding.last_used_at is None else rfc3339(finding.last_used_at),
        },
    }


def _suppressions(result: AuditResult, finding: Finding) -> list[dict[str, str]]:
    if not finding.waived:
        return []
    justification = accepted(result.waivers[finding.waiver].waiver)
    return [{"kind": "external", "status": "accepted", "justification": justification}]


# ---------------------------------------------------------------- size


def _fitting(room: int, results: Iterator[bytes]) -> Iterator[bytes]:
    """The first of *results*, as many as fit into *room* bytes when they are gzipped."""
    compressor = zlib.compressobj()
    for each in results:
        # flushed after each result it grows larger than in one piece, which errs on the safe side
        room -= len(compressor.compress(each + b",\n")) + len(compressor.flush(zlib.Z_SYNC_FLUSH))
        if room < 0:
            return
        yield each


def _compressed(data: bytes) -> int:
    return len(zlib.compress(data)) + 1024  # for what names the number of results, and for the frame around the whole
