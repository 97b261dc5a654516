"""count.py FOLDER: how many findings of each rule the one CSV file and the one JSON file in FOLDER hold, as JSON.

A process of its own, so that its memory is not mistaken for a contestant's (see ``run.measure``).
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson


def by_rule(findings: Iterable[Mapping[str, str]]) -> Counter[str]:
    """Findings per rule."""
    return Counter(finding["rule"] for finding in findings)


def first(folder: Path, suffix: str) -> Path:
    """The report with this suffix; keyaudit writes the same one under two names."""
    return min(folder.glob(f"*.{suffix}"))


def main() -> None:
    """The command line."""
    folder = Path(sys.argv[1])
    with first(folder, "csv").open(encoding="utf-8", newline="") as file:
        as_csv = by_rule(csv.DictReader(file))
    document = orjson.loads(first(folder, "json").read_bytes())
    as_json = by_rule(document["findings"] if isinstance(document, dict) else document)
    sys.stdout.buffer.write(orjson.dumps({"csv": as_csv, "json": as_json}))


if __name__ == "__main__":
    main()
