"""The benchmark's accounts are what they claim to be, and all who compete find the same in them."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks import run

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
COLUMNS = ["id", "name", "keyPrefix", "lastUsedAt", "isActive", "rule"]


def generate(folder: Path, keys: int, *options: str) -> Path:
    target = folder / f"{keys}.json"
    command = [sys.executable, "-m", "benchmarks.generate", str(keys), *options, "-o", str(target)]
    subprocess.run(command, check=True, cwd=ROOT)
    return target


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("accounts")
    return {keys: generate(folder, keys) for keys in (5, 1000)}


def rule_of(row: dict[str, Any], now: datetime) -> str | None:
    if not row["isActive"]:
        return "expired"
    if row["lastUsedAt"] is None:
        return "never-used"
    return "stale" if now - datetime.fromisoformat(row["lastUsedAt"]) >= timedelta(days=45) else None


def broken(account: Path) -> list[tuple[str, str]]:
    """Id and rule of each finding, reckoned one row at a time."""
    document = json.loads(account.read_bytes())
    now = datetime.fromisoformat(document["timestamp"])
    found = [(row["id"], rule_of(row, now)) for row in document["analytics"]["keyBreakdown"]]
    return [(key, rule) for key, rule in found if rule]


def test_findings_are_dealt_as_documented(accounts: dict[int, Path]) -> None:
    assert {"never-used": 1, "stale": 2, "expired": 1} == Counter(rule for _, rule in broken(accounts[5]))
    assert {"never-used": 120, "stale": 370, "expired": 200} == Counter(rule for _, rule in broken(accounts[1000]))


def test_the_same_size_and_seed_give_the_same_bytes(accounts: dict[int, Path], tmp_path: Path) -> None:
    assert accounts[1000].read_bytes() == generate(tmp_path, 1000).read_bytes()
    assert accounts[1000].read_bytes() != generate(tmp_path, 1000, "--seed", "2").read_bytes()


def test_no_keys_are_a_document_too(tmp_path: Path) -> None:
    document = json.loads(generate(tmp_path, 0).read_bytes())
    assert {"totalKeys": 0, "activeKeys": 0, "expiredKeys": 0, "keyBreakdown": []} == document["analytics"]


def test_rows_are_as_mixed_as_documented(accounts: dict[int, Path]) -> None:
    analytics = json.loads(accounts[1000].read_bytes())["analytics"]
    rows = analytics["keyBreakdown"]
    stamps = [row["lastUsedAt"] for row in rows if row["lastUsedAt"]]
    forms = {re.sub(r"\d", "9", stamp.partition("T")[2]) for stamp in stamps}
    active = sum(row["isActive"] for row in rows)
    assert (1000, 1000, active, 1000 - active) == (len(rows), *[analytics[name] for name in list(analytics)[:3]])
    assert 850 == len(stamps)
    times = ("99:99:99", "99:99:99.999", "99:99:99.999999")
    assert {time + zone for time in times for zone in ("Z", "+99:99", "-99:99")} == forms
    assert 800 == active
    assert 1000 == len({row["id"] for row in rows})


def test_names_are_neither_twins_nor_generic(accounts: dict[int, Path]) -> None:
    names = [row["name"] for row in json.loads(accounts[1000].read_bytes())["analytics"]["keyBreakdown"]]
    assert 1000 == len({re.sub(r"[\s\d]+$", "", name).casefold().replace(" ", "") for name in names})
    assert [] == [name for name in names if re.fullmatch(r"(?i)(my |new )?(api |test )?key[\s\d]*|test[\s\d]*", name)]
    assert all(any(character in name for name in names) for character in ('"', "\\", "<", "🚀", "請", "ü"))


def test_two_active_keys_are_on_the_edge(accounts: dict[int, Path]) -> None:
    document = json.loads(accounts[1000].read_bytes())
    now = datetime.fromisoformat(document["timestamp"])
    active = [row for row in document["analytics"]["keyBreakdown"] if row["isActive"] and row["lastUsedAt"]]
    idle = Counter(now - datetime.fromisoformat(row["lastUsedAt"]) for row in active)
    assert 1 == idle[timedelta(days=45)]
    assert 1 == idle[timedelta(days=45) - timedelta(milliseconds=1)]


NEEDS = {"duckdb_sql.py": "duckdb", "polars_schema.py": "polars", "plain_pandas.py": "pandas", "jq.sh": "jq"}


@pytest.mark.parametrize("peer", NEEDS)
@pytest.mark.parametrize("keys", [5, 1000])
def test_peers_find_the_same(peer: str, keys: int, accounts: dict[int, Path], tmp_path: Path) -> None:
    if not (shutil.which("jq") if peer == "jq.sh" else find_spec(NEEDS[peer])):
        pytest.skip(f"{NEEDS[peer]} is not installed")
    interpreter = [] if peer.endswith(".sh") else [sys.executable]
    subprocess.run([*interpreter, str(PEERS / peer), accounts[keys], tmp_path], check=True, timeout=60)
    with (tmp_path / "findings.csv").open(encoding="utf-8", newline="") as file:
        as_csv = list(csv.DictReader(file))
    as_json = json.loads((tmp_path / "findings.json").read_bytes())
    right = sorted(broken(accounts[keys]))
    assert ["findings.csv", "findings.json"] == sorted(path.name for path in tmp_path.iterdir())
    assert (COLUMNS, COLUMNS) == (list(as_csv[0]), list(as_json[0]))
    assert right == sorted((row["id"], row["rule"]) for row in as_csv)
    assert right == sorted((row["id"], row["rule"]) for row in as_json)
    assert [row["name"] for row in as_csv] == [row["name"] for row in as_json]


@pytest.mark.skipif(not find_spec("orjson"), reason="orjson is not installed")
def test_the_run_prints_a_table_and_checks_the_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "CONTESTANTS", (run.KEYAUDIT, run.CONTESTANTS[-1]))
    assert 0 == run.main(["--sizes", "5", "--repeat", "1", "--timeout", "60"])
    tables = capsys.readouterr().out
    rows = [line.split(" | ") for line in tables.splitlines() if line.startswith("| ")]
    assert ["### Fixed cost", "### 5 keys"] == re.findall(r"^### .*$", tables, re.MULTILINE)
    assert "1 |" == next(row[-1] for row in rows if "floor" in row[0])
    assert "1.00" == next(row[2] for row in rows if row[0] == "| **keyaudit**")


@pytest.mark.skipif(not find_spec("orjson"), reason="orjson is not installed")
def test_wrong_counts_disqualify(tmp_path: Path) -> None:
    (tmp_path / "findings.csv").write_text("id,rule\na,stale\n")
    (tmp_path / "findings.json").write_text('[{"id":"a","rule":"stale"}]')
    run.verify(tmp_path, {"stale": 1, "expired": 0})
    with pytest.raises(run.Failed, match="CSV"):
        run.verify(tmp_path, {"stale": 2, "expired": 0})


def test_a_failing_contestant_is_shown_with_its_word_and_a_slow_one_is_stopped(tmp_path: Path) -> None:
    bench = run.Bench(tmp_path, timeout=2, patience=0)
    python = (sys.executable, "-c")
    results = bench.race(
        [
            run.Contestant("fails", (*python, "raise SystemExit('no luck')"), "sys", finds=False),
            run.Contestant("sleeps", ("sleep", "30"), "sleep", finds=False),
            run.Contestant("absent", ("no-such-program",), "no-such-program", finds=False),
            run.Contestant("well", (*python, "x = bytearray(100 * 2**20)"), "sys", finds=False),
        ],
        keys=5,
        repeat=2,
    )
    table = run.table(results, "well", 5)
    assert "| fails | failed: ended with 1: no luck |" in table
    assert "| sleeps | failed: was stopped after 2 s |" in table
    assert "| absent | missing |" in table


def test_the_peak_is_the_contestants_own(tmp_path: Path) -> None:
    # a child's peak includes what its parent held when it forked, and this process holds pandas
    measure = (
        "import sys\nfrom pathlib import Path\nfrom benchmarks import run\n"
        f"bench = run.Bench(Path({str(tmp_path)!r}), timeout=20, patience=0)\n"
        "command = (sys.executable, '-c', 'x = bytearray(100 * 2**20)')\n"
        "(well,) = bench.race([run.Contestant('well', command, 'sys', finds=False)], keys=5, repeat=1)['well']\n"
        "print(well.peak)\n"
    )
    done = subprocess.run([sys.executable, "-c", measure], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 100 * 2**20 < int(done.stdout) < 160 * 2**20
