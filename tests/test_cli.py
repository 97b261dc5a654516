"""The command line as a person or a CI job meets it: what is printed, what is written, and the exit code."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from freezegun import freeze_time

from keyaudit.fetch.demo import DemoServer
from keyaudit.render import all_formats
from keyaudit.rules import all_rules
from tests.running import Run

SAMPLE = Path(__file__).parent / "data" / "sample-analytics.json"
ANSWER = ["--from", str(SAMPLE)]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield Run(capfd)
    gc.enable()
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoServer]:
    with DemoServer(datetime.now(UTC)) as server:
        monkeypatch.setenv("RUNTYPE_BASE_URL", server.base_url)
        monkeypatch.setenv("RUNTYPE_API_KEY", server.token.reveal())
        yield server


# ---------------------------------------------------------------- the documented sample


def test_the_documented_sample_gives_exactly_what_it_should(run: Run) -> None:
    assert 0 == run("audit", *ANSWER, "-f", "csv", "-o", "-", "--fail-on", "high")
    rows = list(csv.DictReader(io.StringIO(run.out.removeprefix("\ufeff"))))
    assert [
        ("stale", "medium", "Staging Key", "last used 56 days ago, on 28 Feb 2024 17:00 UTC; the limit is 45 days"),
        ("stale", "medium", "Backup Key", "last used 46 days ago, on 10 Mar 2024 08:15 UTC; the limit is 45 days"),
        ("expired", "low", "Old Key 1", "inactive and still listed; never used"),
        ("expired", "low", "Old Key 2", "inactive and still listed; last used 132 days ago, on 15 Dec 2023 11:30 UTC"),
    ] == [(row["rule"], row["severity"], row["key_name"], row["evidence"]) for row in rows]


@pytest.mark.parametrize(
    ("fail_on", "code"), [("critical", 0), ("high", 0), ("medium", 1), ("low", 1), ("info", 1), ("never", 0)]
)
def test_the_exit_code_follows_fail_on(run: Run, fail_on: str, code: int) -> None:
    assert code == run("audit", *ANSWER, "--fail-on", fail_on)


def test_without_a_config_html_and_markdown_are_written_and_named(run: Run) -> None:
    assert 0 == run("audit", *ANSWER)
    written = sorted(path.name for path in Path("keyaudit-reports").iterdir())
    assert [
        "default-20240425T120000Z.html",
        "default-20240425T120000Z.md",
        "default-latest.html",
        "default-latest.md",
    ] == written
    assert "keyaudit-reports/default-20240425T120000Z.html" in run.out
    assert "" == run.err
    for severity, number in (("high", 0), ("medium", 2), ("low", 2)):
        assert f"{severity:<10}{number}" in run.out


def test_every_format_can_go_to_standard_output(run: Run) -> None:
    for name in all_formats():
        assert 0 == run("audit", *ANSWER, "-f", name, "-o", "-")
        assert "Staging Key" in run.out
    assert not Path("keyaudit-reports").exists()


def test_the_same_input_gives_the_same_bytes(run: Run) -> None:
    for directory in ("one", "two"):
        assert 0 == run("audit", *ANSWER, "-f", "html,markdown,json,csv,text", "-o", directory)
    for path in Path("one").iterdir():
        assert path.read_bytes() == (Path("two") / path.name).read_bytes(), path.name


def test_now_replaces_the_clock_of_the_answer(run: Run) -> None:
    assert 0 == run("audit", *ANSWER, "--now", "2024-04-20T16:45:00+02:00", "-f", "json", "-o", "-")
    result = json.loads(run.out)
    assert "2024-04-20T14:45:00Z" == result["now"]
    assert ["clock-given"] == [note["code"] for note in result["notes"]]


def test_account_names_ids_and_files(run: Run) -> None:
    assert 0 == run("audit", *ANSWER, "--account", "acme", "-f", "json")
    result = json.loads(Path("keyaudit-reports/acme-latest.json").read_text())
    assert all(finding["id"].startswith("acme:") for finding in result["findings"])


def test_an_answer_comes_through_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "keyaudit", "audit", "--from", "-", "-f", "json", "-o", "-", "--fail-on", "medium"],
        input=SAMPLE.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (1, b"") == (done.returncode, done.stderr)
    assert "standard input" == json.loads(done.stdout)["source"]


@pytest.mark.parametrize(("fail_on", "code"), [("high", 0), ("medium", 1)])
def test_quiet_speaks_only_of_what_fails(run: Run, fail_on: str, code: int) -> None:
    assert code == run("audit", *ANSWER, "--quiet", "--fail-on", fail_on)
    assert (bool(code), bool(code)) == ("Staging Key" in run.out, bool(run.out))
    assert "Old Key 1" not in run.out
    assert Path("keyaudit-reports/default-latest.html").exists()


# ---------------------------------------------------------------- over the network


def test_an_audit_over_http_knows_its_own_key_and_leaves_no_token_anywhere(run: Run, api: DemoServer) -> None:
    assert 1 == run("audit", "-f", "html,markdown,json,csv,text")
    result = json.loads(Path("keyaudit-reports/default-latest.json").read_text())
    assert api.base_url == result["source"]
    owned = [key for key in result["clean_keys"] if key["own"]] + [f for f in result["findings"] if f["key"]["own"]]
    assert 1 == len(owned)
    for path in Path("keyaudit-reports").iterdir():
        assert api.token.reveal().encode() not in path.read_bytes()
    assert api.token.reveal() not in run.out + run.err


def test_a_token_pasted_into_a_name_is_masked_everywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    with DemoServer(now) as server:
        token = server.token.reveal()
        pasted = {"id": f"id-{token}", "name": f"my {token}", "keyPrefix": token, "lastUsedAt": None, "isActive": True}
        for path, rows in (("/v1/api-keys/analytics", ("analytics", "keyBreakdown")), ("/v1/api-keys", ("apiKeys",))):
            document = json.loads(server._server.documents[path])
            listed = document
            for name in rows:
                listed = listed[name]
            listed += [pasted, {**pasted, "lastUsedAt": "never", "createdAt": token}]
            server._server.documents[path] = json.dumps(document).encode()
        monkeypatch.setenv("RUNTYPE_BASE_URL", server.base_url)
        monkeypatch.setenv("RUNTYPE_API_KEY", token)
        for arguments in (
            ("audit", "-f", ",".join(all_formats())),
            ("audit", "-f", "text", "-o", "-"),
            ("fetch", "-o", "saved.json"),
            ("check", "--explain", "my ***"),
            ("--debug", "audit", "-o", "saved.json/x"),
        ):
            run(*arguments)
            assert token not in run.out + run.err
    assert "my ***" in (tmp_path / "saved.json").read_text()
    for written in tmp_path.rglob("*"):
        assert written.is_dir() or token.encode() not in written.read_bytes()


def test_the_key_that_asked_must_be_listed(run: Run, api: DemoServer) -> None:
    empty = b'{"analytics": {"totalKeys": 0, "activeKeys": 0, "expiredKeys": 0, "keyBreakdown": []}}'
    api._server.documents = {"/v1/api-keys/analytics": empty}
    assert 1 == run("audit", "-f", "json", "-o", "-")
    assert ["default:count-mismatch:empty"] == [finding["id"] for finding in json.loads(run.out)["findings"]]


def test_the_bound_on_answers_holds_for_saved_ones_too(run: Run) -> None:
    Path("keyaudit.toml").write_text("[runtype]\nmax_body_mib = 1\n")
    Path("large.json").write_bytes(b" " * (2 * 2**20 + 1))
    assert 2 == run("audit", "--from", "large.json")
    assert "larger than" in run.err


def test_fetch_saves_what_audit_reads_back_the_same(run: Run, api: DemoServer) -> None:
    assert 0 == run("fetch", "-o", "answer.json")
    assert 0o600 == stat.S_IMODE(Path("answer.json").stat().st_mode)
    assert 1 == run("audit", "-f", "json", "-o", "live")
    assert 1 == run("audit", "--from", "answer.json", "-f", "json", "-o", "saved")
    live, saved = (json.loads(Path(each, "default-latest.json").read_text()) for each in ("live", "saved"))
    assert [f["id"] for f in live["findings"]] == [f["id"] for f in saved["findings"]]
    assert live["counts"] == saved["counts"]


def test_fetch_to_standard_output_is_the_answer_alone(run: Run, api: DemoServer) -> None:
    assert 0 == run("fetch", "-o", "-")
    assert {"format", "version", "analytics", "details", "details_reason"} == set(json.loads(run.out))


def test_a_refused_token_is_3_and_is_not_shown(run: Run, api: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "rt_live_" + "wrong" * 4
    monkeypatch.setenv("RUNTYPE_API_KEY", wrong)
    assert 3 == run("--debug", "audit")
    assert "401" in run.err
    assert "env:RUNTYPE_API_KEY" in run.err
    assert wrong not in run.err + run.out
    assert not Path("keyaudit-reports").exists()


def test_no_token_at_all_is_2_and_says_where_one_is_looked_for(run: Run) -> None:
    assert 2 == run("audit")
    assert "RUNTYPE_API_KEY" in run.err


def test_check_tells_what_it_found(run: Run, api: DemoServer) -> None:
    assert 0 == run("check")
    assert "not there" in run.out
    assert f"{api.base_url} answered" in run.out
    assert "The token belongs to one of them" in run.out
    assert api.token.reveal() not in run.out


# ---------------------------------------------------------------- the demo


def test_the_demo_shows_every_rule_and_ends_well(run: Run) -> None:
    assert 0 == run("demo")
    result = json.loads(Path("keyaudit-demo/acme-latest.json").read_text())
    assert set(all_rules()) == {finding["rule"] for finding in result["findings"]}
    assert f"Open {Path('keyaudit-demo/acme-latest.html').resolve().as_uri()}" in run.out


def test_the_demo_repeats_itself_to_the_byte(run: Run) -> None:
    for directory in ("one", "two"):
        assert 0 == run("demo", "--now", "2026-11-23T12:00:00Z", "-f", "csv", "-o", directory)
    assert Path("one/acme-latest.csv").read_bytes() == Path("two/acme-latest.csv").read_bytes()


# ---------------------------------------------------------------- config, waivers, explanations


def test_init_writes_a_config_that_check_accepts_and_replaces_none_unasked(run: Run) -> None:
    assert 0 == run("init")
    assert 0o600 == stat.S_IMODE(Path("keyaudit.toml").stat().st_mode)
    assert 0 == run("check", "--offline")
    assert "keyaudit.toml (used)" in run.out
    assert 2 == run("init")
    assert "--force" in run.err
    assert 0 == run("init", "--force")


def test_the_config_decides_unless_the_command_line_does(run: Run) -> None:
    Path("keyaudit.toml").write_text(
        '[runtype]\naccount = "acme"\n[report]\nformats = ["json"]\noutput_dir = "there"\nfail_on = "medium"\n'
        'timezone = "Europe/Berlin"\n[policy.rules.stale]\ndays = 50\n'
    )
    assert 1 == run("audit", *ANSWER)
    result = json.loads(Path("there/acme-latest.json").read_text())
    assert ["Staging Key"] == [f["key"]["name"] for f in result["findings"] if f["rule"] == "stale"]
    assert "28 Feb 2024 18:00 CET" in result["findings"][0]["evidence"]
    assert 0 == run("audit", *ANSWER, "--fail-on", "high", "-f", "csv", "-o", "here", "--account", "other")
    assert Path("here/other-latest.csv").exists()


def test_a_waiver_can_be_made_from_the_id_of_any_finding(run: Run) -> None:
    row = {"name": "x", "keyPrefix": "rt_live_ab12", "lastUsedAt": None, "isActive": True}
    rows = [row | {"id": id} for id in ("k", "k", "k⟨2⟩", "a\u200bb")]
    totals = {"totalKeys": 4, "activeKeys": 4, "expiredKeys": 0}
    answer = {"analytics": {**totals, "keyBreakdown": rows}, "timestamp": "2026-11-23T12:00:00Z"}
    Path("odd.json").write_text(json.dumps(answer))
    assert 0 == run("audit", "--from", "odd.json", "-f", "json", "-o", "-", "--fail-on", "never")
    ids = [f["id"] for f in json.loads(run.out)["findings"] if f["rule"] == "never-used"]
    assert len(rows) == len(set(ids))
    waivers = ""
    for id in ids:
        assert 0 == run("waive", id, "--reason", "r", "--owner", "o")
        waivers += run.out
    Path("keyaudit.toml").write_text(waivers)
    assert 0 == run("audit", "--from", "odd.json", "-f", "json", "-o", "-", "--fail-on", "never")
    result = json.loads(run.out)
    assert set(ids) == {f["id"] for f in result["findings"] if f["waived_by"] is not None}
    assert {"in force"} == {each["state"] for each in result["waivers"][1:]} | {result["waivers"][0]["state"]}


def test_a_mistake_in_the_config_names_file_and_line(run: Run) -> None:
    Path("keyaudit.toml").write_text("[policy.rules.stale]\n\ndayz = 50\n")
    assert 2 == run("audit", *ANSWER)
    assert "keyaudit.toml:3" in run.err
    assert "days" in run.err
    assert "Traceback" not in run.err


@freeze_time("2024-04-26")
def test_a_waiver_from_waive_fits_into_the_config(run: Run) -> None:
    assert 0 == run("waive", "Staging Key", "stale", *ANSWER, "--reason", "quarterly", "--owner", "ops@example.com")
    Path("keyaudit.toml").write_text(run.out)
    assert 0 == run("audit", *ANSWER, "-f", "json", "-o", "-")
    result = json.loads(run.out)
    assert ["Staging Key"] == [f["key"]["name"] for f in result["findings"] if f["waived_by"] is not None]
    assert "2024-07-25" == result["waivers"][0]["expires"]


@freeze_time("2024-04-26")
def test_a_waiver_without_reason_and_owner_is_refused_until_somebody_fills_them_in(run: Run) -> None:
    assert 0 == run("waive", "default:stale:c3d4e5f6-7890-1234-ab56-cd78ef901234")
    Path("keyaudit.toml").write_text(run.out)
    assert 2 == run("audit", *ANSWER)
    assert "reason" in run.err
    assert "owner" in run.err


def test_waive_spells_patterns_and_hostile_text_out(run: Run) -> None:
    import tomllib

    assert 0 == run("waive", 'k*[?"\\\x1b', "stale", "--reason", "r", "--owner", "o")
    assert "\x1b" not in run.out
    assert ['k[*][[][?]"\\\x1b'] == tomllib.loads(run.out)["waivers"][0]["id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("waive", "k1"), "finding's id"),
        (("waive", "k1", "stail"), "no such rule"),
        (("waive", "Nobody", "stale", *ANSWER), "No key has"),
        (("audit", *ANSWER, "-f", "pdf"), "There is no format pdf"),
        (("audit", *ANSWER, "-f", "htm"), "Did you mean html?"),
        (("audit", *ANSWER, "-f", ","), "at least one format"),
        (("audit", *ANSWER, "-o", "-"), "exactly one format"),
        (("audit", *ANSWER, "-o", ""), "needs a directory"),
        (("demo", "-o", "-"), "into a directory"),
        (("audit", *ANSWER, "--now", "0001-01-01T00:00:00+14:00"), "with its zone"),
        (("audit", *ANSWER, "--now", "yesterday"), "with its zone"),
        (("audit", *ANSWER, "--now", "2024-01-01T00:00:00"), "with its zone"),
        (("audit", *ANSWER, "--account", "../up"), "letters, digits"),
        (("audit", "--from", "missing.json"), "missing.json"),
        (("audit", "-c", "missing.toml"), "missing.toml"),
        (("rules", "stail"), "Did you mean stale?"),
        (("check", "--offline", "--explain", "k"), "--from"),
        (("check", *ANSWER, "--explain", "Nobody"), "No key has the id, name or prefix Nobody"),
        (("nonsense",), "No such command"),
        (("audit", "--fail-on", "bad"), "bad"),
        (("audit", "--from", "x\x1b[2J"), "x⟨U+001B⟩[2J"),
    ],
)
def test_a_mistake_is_2_and_a_sentence(run: Run, arguments: tuple[str, ...], said: str) -> None:
    assert 2 == run(*arguments)
    assert said in run.err
    assert "Traceback" not in run.err
    assert "\x1b" not in run.err


def test_explain_shows_the_settings_where_they_come_from_and_what_they_find(run: Run) -> None:
    Path("keyaudit.toml").write_text(
        '[policy.rules.stale]\ndays = 30\n[[policy.overrides]]\nname = ["Staging*"]\ncomment = "quarterly"\n'
        "rules.stale.high_days = 50\n[[policy.overrides]]\nname = ['*']\nrules.never-used.enabled = false\n"
    )
    assert 0 == run("check", *ANSWER, "--explain", "Staging Key")
    lines = [line.strip() for line in run.out.splitlines()]
    start = lines.index("stale: on; days = 30, high_days = 50")
    assert [
        "policy.rules sets days = 30",
        "policy.overrides[1] (quarterly) sets high_days = 50",
        "→ high: last used 56 days ago, on 28 Feb 2024 17:00 UTC; the limit is 50 days",
    ] == lines[start + 1 : start + 4]
    assert "never-used: off" in lines
    assert 0 == run("check", *ANSWER, "--explain", "d4e5f678-9012-3456-ab78-cd90ef123456")
    assert "stale: on, but not for inactive keys" in run.out


def test_rules_lists_all_and_explains_one(run: Run) -> None:
    assert 0 == run("rules")
    assert list(all_rules()) == [line.split()[0] for line in run.out.splitlines()]
    for name, rule in all_rules().items():
        assert 0 == run("rules", name)
        assert rule.title in run.out
        assert all(option in run.out for option in rule.option_fields())


def test_rules_can_be_listed_by_the_clauses_they_answer_to(run: Run) -> None:
    assert 0 == run("rules", "--standard", "CIS")
    assert "CIS AWS Foundations Benchmark v7\n  2.11  disable credentials unused for 45 days" in run.out
    assert "CIS Controls v8" in run.out
    assert "NIST" not in run.out
    lines = run.out.splitlines()
    assert "never-used, stale" == lines[1 + next(n for n, line in enumerate(lines) if "2.11  " in line)].strip()
    assert 2 == run("rules", "--standard", "iso")
    assert "There are: cis-aws, " in run.err


# ---------------------------------------------------------------- when it goes wrong


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>secret-body</html>", b"[]", b'{"analytics": {"keyBreakdown": null}}', b'{"analytics": {"key'],
)
def test_an_answer_that_is_none_is_3_and_is_not_repeated(run: Run, content: bytes) -> None:
    Path("answer.json").write_bytes(content)
    assert 3 == run("audit", "--from", "answer.json")
    assert run.err.startswith("keyaudit: ")
    assert "secret-body" not in run.err
    assert not Path("keyaudit-reports").exists()


def test_a_crash_of_ours_is_3_and_shows_its_story_only_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("keyaudit.evaluate.evaluate", crash)
    assert 3 == run("audit", *ANSWER)
    assert "Internal error (RuntimeError)" in run.err
    assert "boom" not in run.err
    assert 3 == run("--debug", "audit", *ANSWER)
    assert "boom" in run.err


def test_a_report_that_cannot_be_written_is_3(run: Run) -> None:
    Path("blocked").write_text("")
    assert 3 == run("audit", *ANSWER, "-o", "blocked/out")
    assert "blocked/out" in run.err


def test_a_broken_user_template_is_3_and_names_the_line(run: Run) -> None:
    Path("templates").mkdir()
    Path("templates/report.md.j2").write_text("fine\n{{ nothing_of_that_name }}\n")
    Path("keyaudit.toml").write_text('[report]\ntemplates = "templates"\n')
    assert 3 == run("audit", *ANSWER, "-f", "markdown")
    assert "report.md.j2" in run.err
    assert not list(Path().glob("keyaudit-reports/*"))


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = [sys.executable, "-m", "keyaudit", "audit", *ANSWER, "-f", "html", "-o", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert 3 == process.wait(30)
    assert b"keyaudit: The report could not be written to standard output: Broken pipe.\n" == errors


@pytest.mark.parametrize(("command", "code"), [(("audit", *ANSWER, "--fail-on", "never"), 0), (("rules",), 0)])
def test_a_reader_of_the_summary_that_goes_away_does_not_change_what_the_audit_says(
    tmp_path: Path, command: tuple[str, ...], code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "keyaudit", *command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=30)
    assert (code, b"") == (process.returncode, errors)


def test_terminated_in_the_middle_of_a_rule_is_143_and_no_crash_of_the_rule(tmp_path: Path) -> None:
    program = (
        "import os, signal\nfrom keyaudit.cli import main\nfrom keyaudit.rules import all_rules\n"
        "def check(self, context):\n    os.kill(os.getpid(), signal.SIGTERM)\n    yield from ()\n"
        "type(all_rules()['stale']).check = check\n"
        f"main(['audit', '--from', {str(SAMPLE)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False)
    assert (143, b"keyaudit: Terminated.") == (done.returncode, done.stderr.strip())


@pytest.mark.parametrize("stream", [1, 2])
def test_an_error_that_nobody_hears_keeps_its_exit_code(tmp_path: Path, stream: int) -> None:
    command = f"{sys.executable} -m keyaudit audit -c nope {stream}>/dev/full"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, check=False)
    assert 2 == done.returncode


def test_a_full_disk_behind_the_summary_leaves_the_audit_what_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "keyaudit", "audit", *ANSWER, "--fail-on", "medium"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (1, b"") == (done.returncode, done.stderr)
    assert (tmp_path / "keyaudit-reports" / "default-latest.html").exists()


def test_a_closed_standard_output_is_no_fault_of_ours(tmp_path: Path) -> None:
    for arguments, code in (("audit", 0), ("audit -f text -o -", 3), ("rules", 0)):
        command = f"{sys.executable} -m keyaudit {arguments.replace('audit', 'audit --from ' + str(SAMPLE))} >&-"
        done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, stderr=subprocess.PIPE, check=False)
        assert code == done.returncode
        assert b"Internal error" not in done.stderr


def test_debug_may_stand_where_people_type_it(run: Run) -> None:
    assert 2 == run("audit", "--from", "missing.json", "--debug")
    assert "Traceback" in run.err


def _listen_to_interrupts() -> None:
    # whoever runs the tests in the background of a script has them ignored, and children inherit that
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_at_once_with_its_code(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "keyaudit", "audit"],
            cwd=tmp_path,
            env=os.environ | {"RUNTYPE_BASE_URL": address, "RUNTYPE_API_KEY": "rt_test_0123456789"},
            stderr=subprocess.PIPE,
            preexec_fn=_listen_to_interrupts,  # noqa: PLW1509 - only a signal is set before exec
        )
        silent.settimeout(30)
        connection, _ = silent.accept()
        time.sleep(0.2)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=30)
        connection.close()
    assert code == process.returncode
    assert b"Traceback" not in errors
    assert not (tmp_path / "keyaudit-reports").exists()
