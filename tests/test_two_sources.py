"""An audit of two lists, the second of which fails in every way: over HTTP on loopback, to the exit code."""

from __future__ import annotations

import gc
import json
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keyaudit.errors import FetchError, KeyauditError, UnreadableAnswer
from keyaudit.fetch.settings import DetailsMode, RuntypeSettings
from keyaudit.model import AuditResult, Severity, Snapshot
from keyaudit.pipeline import (
    Api,
    Judgement,
    Reporting,
    SavedAnswer,
    Surroundings,
    judge,
    render,
    save_answers,
    take_snapshot,
)
from keyaudit.render import all_formats
from keyaudit.secret import Secret
from tests.fetch.loopback import Recorder, Reply, drip, raw, reply, serve, silence, slam
from tests.running import Run

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOKEN = f"rt_{'live'}_A1b2C3d4E5f6G7h8"
LEAKED = "rt_live_" + "SECRET" * 2
LISTS = ["/v1/api-keys/analytics", "/v1/api-keys"]


def key(id: str, **more: object) -> dict[str, object]:
    return {
        "id": id,
        "name": f"Nightly export {id} of orders",
        "keyPrefix": "rt_live_ab12",
        "lastUsedAt": "2026-11-22T00:00:00Z",
        "isActive": True,
    } | more


def detail(id: str, **more: object) -> dict[str, object]:
    fine = {"createdAt": "2026-11-01T00:00:00Z", "expiresAt": "2027-06-01T00:00:00Z", "permissions": ["FLOWS:READ"]}
    return key(id) | fine | {"isTestKey": False, "canReveal": False} | more


def document(**members: object) -> bytes:
    return json.dumps(members | {"timestamp": "2026-11-23T12:00:00Z"}).encode()


KEYS = [key("a", lastUsedAt="2026-01-01T00:00:00Z"), key("b"), key("c", plainKey=LEAKED)]
ANALYTICS = document(analytics={"totalKeys": 3, "activeKeys": 3, "expiredKeys": 0, "keyBreakdown": KEYS})
OLD = {"lastUsedAt": "2026-01-01T00:00:00Z", "createdAt": "2025-12-31T00:00:00Z", "expiresAt": "2026-12-30T00:00:00Z"}
FINE = [detail("a", **OLD), detail("b"), detail("c")]


def listed(*rows: object, **more: object) -> Reply:
    return reply(document(apiKeys=[*rows], **({"total": len(rows)} | more)))


def source(server: Recorder, details: DetailsMode = "auto", **settings: Any) -> Api:
    limits = {"deadline": 5.0, "connect_timeout": 1.0, "read_timeout": 1.0, "backoff": 0.02} | settings
    return Api(RuntypeSettings(server.address, details=details, **limits), Secret(TOKEN, "env:RUNTYPE_API_KEY"))


def surroundings(progress: Callable[[str], None] = lambda _: None) -> Surroundings:
    return Surroundings(environ={}, clock=lambda: NOW, progress=progress)


def snapshot(*replies: Reply, details: DetailsMode = "auto", **settings: Any) -> Snapshot:
    with serve(reply(ANALYTICS), *replies) as server:
        return take_snapshot(source(server, details, **settings), surroundings())


def audited(taken: Snapshot, fail_on: Severity = Severity.HIGH) -> AuditResult:
    return judge(taken, Judgement(fail_on=fail_on), surroundings())


def notes(taken: Snapshot) -> dict[str, str]:
    return {note.code: note.text for note in taken.notes}


# ---------------------------------------------------------------- where the details cannot be had


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNAVAILABLE: dict[str, tuple[Reply, str, int]] = {
    "closed": (slam, "broke before the answer was complete", 4),
    "cut short": (raw(CHUNKED + b"5\r\nshort\r\n"), "broke before the answer was complete", 4),
    "403": (reply(b'{"code":"MISSING_SCOPE"}', 403), "does not let it read /v1/api-keys (HTTP 403, MISSING_SCOPE)", 1),
    "401": (reply(status=401), "refused the token (HTTP 401)", 1),
    "404": (reply(status=404), "has no /v1/api-keys (HTTP 404)", 1),
    "500": (reply(status=500), "did not answer with what was asked for (HTTP 500)", 4),
    "429": (reply(status=429, Retry_After="600"), "too many requests from this account (HTTP 429)", 1),
    "HTML": (reply(b"<!doctype html><title>Sign in</title>"), "is no list of API keys but an HTML page", 1),
    "the analytics again": (reply(ANALYTICS), "which are another endpoint's", 1),
    "half a document": (reply(b'{"apiKeys":[{"id":"a",'), "JSON that breaks off after 22 bytes", 1),
    "no list": (reply(b'{"apiKeys":null}'), "an object whose `apiKeys` is null, not a list", 1),
    "nothing readable": (
        listed(detail("a", isActive=LEAKED), [LEAKED]),
        "Not one of the 2 keys in the answer from http://",
        1,
    ),
}


@pytest.mark.parametrize("case", UNAVAILABLE)
def test_without_the_details_the_audit_is_that_of_the_analytics(
    case: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    failing, sentence, tries = UNAVAILABLE[case]
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    with serve(reply(ANALYTICS), failing) as server:
        taken = take_snapshot(source(server), surroundings(told.append))
    assert [*LISTS, *[LISTS[1]] * (tries - 1)] == [request.target for request in server.requests]
    assert not taken.details.read
    assert sentence in taken.details.reason
    assert taken.details.reason.endswith(".")
    note = notes(taken)["details-unavailable"]
    assert note.startswith(f"Details not available: {taken.details.reason}")
    assert ["a", "b", "c"] == taken.keys["id"].tolist()
    assert not taken.keys["detailed"].any()

    alone = snapshot(details="off")
    for fail_on, code in ((Severity.HIGH, 1), (Severity.CRITICAL, 0)):
        result, expected = audited(taken, fail_on), audited(alone, fail_on)
        assert (code,) == expected.exit_codes == result.exit_codes
        assert expected.findings["id"].tolist() == result.findings["id"].tolist()
    printed = capfd.readouterr()
    said = "\n".join([repr(taken), taken.keys.to_csv(), caplog.text, printed.out, printed.err, *told])
    for name in all_formats() if case == "nothing readable" else ("json",):
        said += b"".join(render(result, name, Reporting())).decode()
    assert TOKEN not in said
    assert LEAKED not in said


@pytest.mark.parametrize("failing", [drip(CHUNKED, b"1\r\nx\r\n"), silence], ids=["drip", "silence"])
def test_a_slow_list_takes_no_more_than_what_is_left_of_the_deadline(failing: Reply) -> None:
    start = time.monotonic()
    taken = snapshot(failing, deadline=0.7, read_timeout=30)
    assert 0.5 < time.monotonic() - start < 2
    assert "deadline of 0.7 s passed" in taken.details.reason
    assert (1,) == audited(taken).exit_codes


def test_a_list_that_recovers_is_read() -> None:
    assert snapshot(reply(status=503), slam, listed(*FINE)).details.read


@pytest.mark.parametrize("case", UNAVAILABLE)
def test_when_they_are_on_the_audit_ends_where_the_details_cannot_be_had(case: str) -> None:
    failing, sentence, _ = UNAVAILABLE[case]
    with pytest.raises((FetchError, UnreadableAnswer)) as failed:
        snapshot(failing, details="on")
    assert sentence in failed.value.message
    assert 3 == failed.value.exit_code
    assert TOKEN not in failed.value.message + failed.value.details
    assert LEAKED not in failed.value.message + failed.value.details


@pytest.mark.parametrize("details", ["auto", "on", "off"])
def test_without_the_analytics_there_is_no_audit_and_no_second_question(details: DetailsMode) -> None:
    with serve(reply(status=403)) as server, pytest.raises(KeyauditError) as failed:
        take_snapshot(source(server, details), surroundings())
    assert 3 == failed.value.exit_code
    assert LISTS[:1] == [request.target for request in server.requests]


def test_when_they_are_off_the_details_are_not_asked_for() -> None:
    with serve(reply(ANALYTICS)) as server:
        taken = take_snapshot(source(server, "off"), surroundings())
    assert LISTS[:1] == [request.target for request in server.requests]
    assert (False, "Switched off by [runtype] details.") == (taken.details.read, taken.details.reason)
    assert () == taken.notes


# ---------------------------------------------------------------- where they are read, and are not as they should be


@pytest.mark.parametrize("details", ["auto", "on"])
def test_details_in_order_are_joined_without_a_note(details: DetailsMode) -> None:
    taken = snapshot(listed(*FINE), details=details)
    assert taken.details.read
    assert () == taken.notes
    assert taken.keys["detailed"].all()
    assert taken.keys["own"].sum() == 0
    assert {"stale", "rotation-due"} == set(audited(taken).findings["rule"])


DIRTY: dict[str, tuple[Sequence[object], dict[str, object], str, list[str]]] = {
    "half valid": (
        [FINE[0], detail("b", lastUsedAt="garbage", plainKey=LEAKED), [LEAKED], detail("d", plainKey=LEAKED)],
        {},
        "listed-once",
        ["a", "b", "c", "d"],
    ),
    "duplicate ids": ([*FINE, detail("b", name="Again")], {}, "rows-rejected", ["a", "b", "c"]),
    "a total that disagrees": (FINE, {"total": 7}, "details-count", ["a", "b", "c"]),
    "permissions null": ([*FINE[:2], detail("c", permissions=None)], {}, "details-incomplete", ["a", "b", "c"]),
    "permissions a string": ([*FINE[:2], detail("c", permissions="*")], {}, "rows-partly-read", ["a", "b", "c"]),
    "dates null": ([*FINE[:2], detail("c", createdAt=None)], {}, "details-incomplete", ["a", "b", "c"]),
    "dates absent": ([*FINE[:2], key("c")], {}, "details-incomplete", ["a", "b", "c"]),
    "dates without zone": (
        [*FINE[:2], detail("c", createdAt="2026-11-01T00:00:00")],
        {},
        "rows-partly-read",
        ["a", "b", "c"],
    ),
    "dates garbage": ([*FINE[:2], detail("c", expiresAt="soon")], {}, "rows-partly-read", ["a", "b", "c"]),
    "another state": ([*FINE[:2], detail("c", isActive=False)], {}, "lists-disagree", ["a", "b", "c"]),
    "no keys": ([], {}, "listed-once", ["a", "b", "c"]),
}


@pytest.mark.parametrize("case", DIRTY)
def test_a_dirty_list_is_noted_and_loses_no_key(case: str) -> None:
    rows, around, code, ids = DIRTY[case]
    taken = snapshot(listed(*rows, **around))
    result = audited(taken)
    assert taken.details.read
    assert ids == taken.keys["id"].tolist()
    assert 3 == taken.received
    assert code in {note.code for note in result.notes}
    assert "stale" in set(result.findings["rule"])
    assert (1,) == result.exit_codes
    said = repr(taken) + taken.keys.to_csv() + b"".join(render(result, "json", Reporting())).decode()
    assert LEAKED not in said
    assert TOKEN not in said


def test_what_is_not_known_is_never_taken_for_good_or_bad() -> None:
    unreadable = detail("c", expiresAt="soon", createdAt=7, permissions="*")
    result = audited(snapshot(listed(*FINE[:2], unreadable)))
    assert {"unreadable-key"} == {finding.rule for finding in result.worst() if finding.key_id == "c"}


# ---------------------------------------------------------------- saved and read back


def saved(tmp_path: Path, *replies: Reply, details: DetailsMode = "auto") -> tuple[Path, Snapshot]:
    """The file that is saved of an account, and the snapshot of the same answers at once."""
    with serve(reply(ANALYTICS), *replies) as server:
        content, state = save_answers(source(server, details), surroundings())
    taken = snapshot(*replies, details=details)
    assert taken.details.read is state.read
    path = tmp_path / "saved.json"
    path.write_bytes(content)
    assert LEAKED.encode() not in content
    return path, taken


@pytest.mark.parametrize(
    "case",
    ["half valid", "duplicate ids", "a total that disagrees", "permissions a string", "dates garbage", "no keys"],
)
def test_both_lists_are_saved_and_read_back(case: str, tmp_path: Path) -> None:
    rows, around, _, _ = DIRTY[case]
    path, live = saved(tmp_path, listed(*rows, **around))
    again = take_snapshot(SavedAnswer(str(path)), surroundings())
    assert live.keys.to_csv() == again.keys.to_csv()
    assert (live.notes, live.details) == (again.notes, again.details)
    assert [(bad.list, bad.index, bad.problem) for bad in live.rejected] == [
        (bad.list, bad.index, bad.problem) for bad in again.rejected
    ]
    assert audited(live).findings["evidence"].tolist() == audited(again).findings["evidence"].tolist()


@pytest.mark.parametrize("case", ["403", "HTML"])
def test_what_kept_the_details_away_is_saved_with_the_rest(case: str, tmp_path: Path) -> None:
    path, _ = saved(tmp_path, UNAVAILABLE[case][0])
    again = take_snapshot(SavedAnswer(str(path)), surroundings())
    assert not again.details.read
    assert UNAVAILABLE[case][1] in again.details.reason
    assert UNAVAILABLE[case][1] in notes(again)["details-unavailable"]


@pytest.mark.parametrize("bare", [True, False])
def test_where_none_were_saved_there_are_none(tmp_path: Path, *, bare: bool) -> None:
    path, _ = saved(tmp_path, details="off")
    if bare:
        path.write_bytes(ANALYTICS)
    again = take_snapshot(SavedAnswer(str(path)), surroundings())
    assert (False, "The saved answer holds no details.") == (again.details.read, again.details.reason)
    assert () == again.notes
    with pytest.raises(UnreadableAnswer, match=r'^saved\.json holds no details .* details is "on"\.$'):
        take_snapshot(SavedAnswer(str(path), details="on"), surroundings())


def test_saved_details_can_be_switched_off_too(tmp_path: Path) -> None:
    path, _ = saved(tmp_path, listed(*FINE))
    again = take_snapshot(SavedAnswer(str(path), details="off"), surroundings())
    assert "Switched off by [runtype] details." == again.details.reason
    assert not again.keys["detailed"].any()


def test_saved_details_of_another_kind_count_as_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    path.write_bytes(b'{"format":"keyaudit/snapshot","version":1,"analytics":%s,"details":7}' % ANALYTICS)
    again = take_snapshot(SavedAnswer(str(path)), surroundings())
    assert (
        "Details not available: The answer from saved.json is no list of API keys but a number."
        in (notes(again)["details-unavailable"])
    )
    with pytest.raises(UnreadableAnswer, match="no list of API keys"):
        take_snapshot(SavedAnswer(str(path), details="on"), surroundings())


# ---------------------------------------------------------------- the command line


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("RUNTYPE_API_KEY", TOKEN)
    before = signal.getsignal(signal.SIGTERM)
    yield Run(capfd)
    # the command is the last thing its process does, and leaves it as it is
    gc.enable()
    signal.signal(signal.SIGTERM, before)


def test_a_refused_list_is_seen_and_changes_no_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for fail_on, code in (("high", 1), ("critical", 0)):
        with serve(reply(ANALYTICS), reply(status=403)) as server:
            monkeypatch.setenv("RUNTYPE_BASE_URL", server.address)
            assert code == run("audit", "--fail-on", fail_on, "-f", "json,markdown,html")
        assert "Traceback" not in run.err
        result = json.loads(Path("keyaudit-reports/default-latest.json").read_text())
        assert ["Details not available: "] == [
            note["text"][:23] for note in result["notes"] if note["code"] == "details-unavailable"
        ]
        assert ["stale"] == [finding["rule"] for finding in result["findings"]]
        for path in Path("keyaudit-reports").iterdir():
            assert TOKEN not in path.read_text()
            assert "etails not available" in path.read_text()


def test_on_ends_with_3_and_off_asks_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(reply(ANALYTICS), reply(status=403)) as server:
        monkeypatch.setenv("RUNTYPE_BASE_URL", server.address)
        monkeypatch.setenv("KEYAUDIT_RUNTYPE__DETAILS", "on")
        assert 3 == run("audit")
        assert "does not let it read /v1/api-keys (HTTP 403)" in run.err
        assert not Path("keyaudit-reports").exists()
        monkeypatch.setenv("KEYAUDIT_RUNTYPE__DETAILS", "off")
        asked = len(server.requests)
        server.replies = [reply(ANALYTICS)]
        assert 1 == run("audit")
        assert LISTS[:1] == [request.target for request in server.requests[asked:]]
        monkeypatch.setenv("KEYAUDIT_RUNTYPE__DETAILS", "sometimes")
        assert 2 == run("audit")
        assert "KEYAUDIT_RUNTYPE__DETAILS: must be 'auto', 'on' or 'off'" in run.err


def test_fetch_says_what_it_could_not_save(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(reply(ANALYTICS), reply(status=404)) as server:
        monkeypatch.setenv("RUNTYPE_BASE_URL", server.address)
        assert 0 == run("fetch", "-o", "answer.json")
    assert f"It holds no details of the keys. {server.address} has no /v1/api-keys (HTTP 404)." in run.err
    assert 1 == run("audit", "--from", "answer.json", "-f", "json", "-o", "-")
    assert "details-unavailable" in {note["code"] for note in json.loads(run.out)["notes"]}


def test_fetch_saves_both(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(reply(ANALYTICS), listed(*FINE)) as server:
        monkeypatch.setenv("RUNTYPE_BASE_URL", server.address)
        assert 0 == run("fetch", "-o", "answer.json")
    assert "no details" not in run.err
    assert 0 == run("check", "--from", "answer.json")
    assert "Details: read of 3 keys" in run.out


@pytest.mark.parametrize(
    ("failing", "said"),
    [(reply(status=404), "Note: Details not available: http://"), (None, "Details: not read. Switched off by")],
)
def test_check_says_whether_the_details_were_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, failing: Reply | None, said: str
) -> None:
    monkeypatch.setenv("KEYAUDIT_RUNTYPE__DETAILS", "auto" if failing else "off")
    with serve(reply(ANALYTICS), *([failing] if failing else [])) as server:
        monkeypatch.setenv("RUNTYPE_BASE_URL", server.address)
        assert 0 == run("check")
    assert 1 == run.out.count(said)
    assert 1 == run.out.count("Details")
