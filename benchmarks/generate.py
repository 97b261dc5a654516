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


def document(keys: int, seed: int = 1) -> Iterator[str]:
    """The analytics document of an account of *keys* keys, piece by piece: compact JSON, not escaped to ASCII."""
    draw = random.Random(seed)  # noqa: S311 (must repeat, need not be secret)
    left = deal(keys)
    active = sum(count for kind, count in zip(DECK, left, strict=True) if kind.active)
    last_used = [last_uses(kind.use, draw) for kind in DECK]
    yield f'{{"analytics":{{"totalKeys":{keys},"activeKeys":{active},"expiredKeys":{keys - active},"keyBreakdown":['
    for index in range(keys):
        place = draw.choices(range(len(DECK)), left)[0]
        left[place] -= 1
        kind = DECK[place]
        row = {
            "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            "name": draw.choice(NAMES).format(index),
            "keyPrefix": f"{draw.choice(PREFIXES)}{draw.getrandbits(16):04x}",
            "lastUsedAt": next(last_used[place]),
            "isActive": kind.active,
        }
        yield ("," if index else "") + json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    yield f']}},"timestamp":"{timestamp(NOW, "milliseconds")}"}}'


def write(path: Path, keys: int, seed: int = 1) -> None:
    """Writes the document to *path* as UTF-8, in memory that does not grow with *keys*."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(document(keys, seed))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generate", description="Write an account of N keys as Runtype's analytics answer."
    )
    parser.add_argument("keys", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    if options.keys < 0:
        parser.error("N is the number of keys and cannot be negative")
    write(options.output, options.keys, options.seed)


if __name__ == "__main__":
    main()
