"""What several formats say in the same words."""

from __future__ import annotations

from datetime import UTC, datetime

from keyaudit.model import Finding, Waiver
from keyaudit.render import RenderSettings


def accepted(waiver: Waiver) -> str:
    """Who accepts a finding, until when and why."""
    return f"accepted by {waiver.owner} until {waiver.expires.isoformat()}: {waiver.reason}"


def subject(finding: Finding) -> str:
    """What the finding is about: the name of the key, or its id where that is all there is, or the account."""
    if finding.key_name:
        return finding.key_name
    return f"the key {finding.key_id}" if finding.key_id else "the account"


def where_all_are(settings: RenderSettings) -> str:
    """For a report that was cut: one sentence that says where to find all findings."""
    files = [settings.siblings[name] for name in ("csv", "json") if name in settings.siblings]
    if not files:
        return "To have them all, run the audit with --format csv or --format json too."
    return f"Beside this file {' and '.join(files)} {'hold' if len(files) > 1 else 'holds'} all of them."


def rfc3339(moment: datetime) -> str:
    """*moment* in UTC, rounded down to the second."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
