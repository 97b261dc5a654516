"""Writes an account of any size as the answer of ``GET /v1/api-keys/analytics``, always the same for a size and seed.

What is in it is dealt from a deck, not left to chance: :func:`expected` knows how many findings each of
the three rules must give, to the key. Two active keys sit on the edge of the 45 days: one is idle for exactly
that long (stale), one for a millisecond less (not stale).
"""

from __future__ import annotations

import argparse
import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import repeat
from pathlib import Path
from typing import Literal, NamedTuple

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STALE_AFTER = timedelta(days=45)
OLDEST = timedelta(days=3 * 365)
MICROSECOND = timedelta(microseconds=1)

Use = Literal["never", "old", "recent"]


class Kind(NamedTuple):
    """A sort of key: its share of the account, and the one rule of the three that it breaks, if any."""

    percent: int
    active: bool
    use: Use
    rule: str | None


DECK = (
    Kind(12, active=True, use="never", rule="never-used"),
    Kind(37, active=True, use="old", rule="stale"),
    Kind(31, active=True, use="recent", rule=None),
    Kind(17, active=False, use="old", rule="expired"),
    Kind(3, active=False, use="never", rule="expired"),
)

# The number stands inside the name, never at its end: names that differ in a trailing number alone are twins.
NAMES = (
    "Deploy {} checkout",
    "Grafana {} boards",
    "CI {} / integration",
    "Zähler {} für Zürich",
    "Отчёт {} банк",
    "請求書 {} の集計",
    "تقرير {} شهري",
    "🚀 release {} robot",
    'Zapier "{}" leads',
    "C:\\jobs\\{}\\run",
    "R&D <{}> O'Brien",
    "रिपोर्ट {} मासिक",
)
PREFIXES = ("rt_live_", "rt_live_", "rt_live_", "rt_test_", "runtype_")
PERMISSIONS = (
    ["FLOWS:READ", "RECORDS:READ"],
    ["FLOWS:READ"],
    ["RECORDS:READ", "RECORDS:WRITE"],
    ["FLOWS:READ", "FLOWS:WRITE"],
)
ZONES = (*[UTC] * 8, timezone(timedelta(hours=2)), timezone(-timedelta(hours=5, minutes=30)))
PRECISIONS = ("seconds", "seconds", "milliseconds", "milliseconds", "microseconds")


def deal(keys: int) -> list[int]:
    """How many keys of each kind of :data:`DECK` an account of *keys* keys has (largest remainder)."""
    counts = [keys * kind.percent // 100 for kind in DECK]
    by_remainder = sorted(range(len(DECK)), key=lambda place: -(keys * DECK[place].percent % 100))
    for place in by_remainder[: keys - sum(counts)]:
        counts[place] += 1
    return counts


def expected(keys: int) -> dict[str, int]:
    """The number of findings of each of the three rules in an account of *keys* keys, whatever the seed."""
    findings = dict.fromkeys(("never-used", "stale", "expired"), 0)
    for kind, count in zip(DECK, deal(keys), strict=True):
        if kind.rule:
            findings[kind.rule] += count
    return findings


def timestamp(moment: datetime, precision: str) -> str:
    """*moment* in RFC 3339, with ``Z`` for UTC; what *precision* does not hold is cut off."""
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def last_uses(use: Use, draw: random.Random) -> Iterator[str | None]:
    """Values of ``lastUsedAt``, endlessly: ``None``, or time stamps in mixed forms, the first of them on the edge."""
    if use == "never":
        yield from repeat(None)
    if use == "old":
        shortest, longest = STALE_AFTER, OLDEST
        yield timestamp((NOW - STALE_AFTER).astimezone(ZONES[-1]), "seconds")
    else:
        # A second of room, because a form without fractions cuts up to a second off and so adds to the idle time.
        shortest, longest = timedelta(0), STALE_AFTER - timedelta(seconds=1)
        yield timestamp(NOW - STALE_AFTER + timedelta(milliseconds=1), "milliseconds")
    while True:
        idle = draw.randrange(shortest // MICROSECOND, longest // MICROSECOND) * MICROSECOND
        yield timestamp((NOW - idle).astimezone(draw.choice(ZONES)), draw.choice(PRECISIONS))


def rows(keys: int, seed: int) -> Iterator[dict[str, object]]:
    """The rows of the analytics of an account of *keys* keys."""
    draw = random.Random(seed)  # noqa: S311 (must repeat, need not be secret)
    left = deal(keys)
    last_used = [last_uses(kind.use, draw) for kind in DECK]
    for index in range(keys):
        place = draw.choices(range(len(DECK)), left)[0]
        left[place] -= 1
        yield {
            "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            "name": draw.choice(NAMES).format(index),
            "keyPrefix": f"{draw.choice(PREFIXES)}{draw.getrandbits(16):04x}",
            "lastUsedAt": next(last_used[place]),
            "isActive": DECK[place].active,
        }


def detailed_rows(keys: int, seed: int) -> Iterator[dict[str, object]]:
    """The same keys as ``GET /v1/api-keys`` tells them: created before any use, each with an end of its own."""
    draw = random.Random(seed + 1)  # noqa: S311 (must repeat, need not be secret)
    for row in rows(keys, seed):
        created = NOW - OLDEST - timedelta(days=draw.randrange(1, 300))
        yield row | {
            "createdAt": timestamp(created, draw.choice(PRECISIONS)),
            "expiresAt": timestamp(NOW + timedelta(days=draw.randrange(40, 300)), "seconds"),
            "updatedAt": timestamp(created, "seconds"),
            "permissions": draw.choice(PERMISSIONS),
            "isTestKey": False,
            "canReveal": False,
            "maskedKey": "rt_live_****",
        }


def joined(rows: Iterator[dict[str, object]]) -> Iterator[str]:
    """*rows* as compact JSON, not escaped to ASCII, with commas between them."""
    separator = ""
    for row in rows:
        yield separator + json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        separator = ","


def document(keys: int, seed: int = 1) -> Iterator[str]:
    """The analytics document of an account of *keys* keys, piece by piece."""
    active = sum(count for kind, count in zip(DECK, deal(keys), strict=True) if kind.active)
    yield f'{{"analytics":{{"totalKeys":{keys},"activeKeys":{active},"expiredKeys":{keys - active},"keyBreakdown":['
    yield from joined(rows(keys, seed))
    yield f']}},"timestamp":"{timestamp(NOW, "milliseconds")}"}}'


def both_documents(keys: int, seed: int = 1) -> Iterator[str]:
    """The analytics and the details in one, as ``keyaudit fetch`` saves them."""
    yield '{"format":"keyaudit/snapshot","version":1,"analytics":'
    yield from document(keys, seed)
    yield ',"details":{"apiKeys":['
    yield from joined(detailed_rows(keys, seed))
    yield f'],"total":{keys},"timestamp":"{timestamp(NOW, "milliseconds")}"}},"details_reason":null}}'


def write(path: Path, keys: int, seed: int = 1, *, details: bool = False) -> None:
    """Writes the document to *path* as UTF-8, in memory that does not grow with *keys*."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(both_documents(keys, seed) if details else document(keys, seed))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generate", description="Write an account of N keys as Runtype's analytics answer."
    )
    parser.add_argument("keys", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--details", action="store_true", help="both documents in one, as keyaudit fetch saves them")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    if options.keys < 0:
        parser.error("N is the number of keys and cannot be negative")
    write(options.output, options.keys, options.seed, details=options.details)


if __name__ == "__main__":
    main()
