"""The page as a document: what it says, that it stays inert, and that it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from html import unescape
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyaudit.model import (
    AuditResult,
    Note,
    Override,
    Policy,
    RejectedRow,
    RuleSetting,
    Selector,
    Severity,
    Waiver,
)
from keyaudit.render import ROWS_SHOWN, RenderSettings
from keyaudit.render.html import FIRST, Html
from keyaudit.text import visible
from tests.builders import NOW, audit, key, only
from tests.hostile import HOSTILE
from tests.render.conftest import audit_document, row, with_texts
from tests.render.conftest import document as answer

VOID = {"meta", "link", "input", "br", "hr", "img"}


class Document(HTMLParser):
    """The elements of a page in order, the text of each, and the text of whatever has a class."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.by_class: list[tuple[str, str]] = []
        self.raw: dict[str, str] = {}
        self._open: list[tuple[str, list[str], list[str]]] = []
        self.feed(page)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            classes = next((value or "" for name, value in attrs if name == "class"), "").split()
            self._open.append((tag, classes, []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        for _, _, texts in self._open:
            texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        opened, classes, texts = self._open.pop()
        assert opened == tag
        text = "".join(texts)
        self.by_class += [(each, text) for each in (*classes, tag)]
        if tag in {"script", "style", "title"}:
            self.raw[tag] = text

    def texts(self, name: str) -> list[str]:
        """The text of each element with that class, or that is called so, in the order in which they end."""
        return [" ".join(text.split()) for each, text in self.by_class if each == name]

    def names(self) -> set[str]:
        """The names of all attributes."""
        return {name for _, name, _ in self.attributes}

    def values(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]


def page(result: AuditResult, **settings: object) -> str:
    return b"".join(Html().render(result, RenderSettings(**settings))).decode()  # type: ignore[arg-type]


def document(result: AuditResult, **settings: object) -> Document:
    return Document(page(result, **settings))


def section(html: str, heading: str) -> str:
    """What the section with that id of its heading says, on one line; a tag counts as a space."""
    found = re.search(rf'<section[^>]*aria-labelledby="{heading}">(.*?)</section>', html, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", found.group(1))).split()) if found else ""


# ---------------------------------------------------------------- what it says


def test_documented_sample(sample: AuditResult) -> None:
    html = page(sample)
    shown = Document(html)

    assert ["All right: nothing at or above high"] == shown.texts("h1")
    assert [
        "default:stale:c3d4e5f6-7890-1234-ab56-cd78ef901234",
        "default:stale:b2c3d4e5-f678-9012-ab34-cd56ef789012",
        "default:expired:d4e5f678-9012-3456-ab78-cd90ef123456",
        "default:expired:e5f67890-1234-5678-ab90-cd12ef345678",
    ] == shown.texts("finding-id")
    assert "critical 0 high 0 medium 2 low 2 info 0" in section(html, "totals")
    assert "last used 56 days ago, on 28 Feb 2024 17:00 UTC; the limit is 45 days" in section(html, "findings")
    assert "Settings → API in the Runtype dashboard" in section(html, "first")
    assert "Primary API Key" in section(html, "clean")
    assert "25 Apr 2024 12:00 UTC" in section(html, "verdict")
    assert "sample-analytics.json" in section(html, "verdict")


def test_first_screen_names_the_worst_and_groups_what_asks_for_the_same() -> None:
    html = page(audit(*(key(f"k{n}", f"Service {chr(65 + n)}", used=timedelta(days=200 - n)) for n in range(9))))
    first = section(html, "first")
    assert ["Not all right: 9 keys need action first"] == Document(html).texts("h1")
    assert FIRST == first.count("last used")
    assert 1 == first.count("Ask the owner whether a job still needs the key.")
    assert "All 9 findings" in first


def test_counts_in_tiles() -> None:
    result = audit(
        key("a"),
        key("b", "Docs search", used=None),
        key("c", "Old bridge", active=False),
        rejected=(RejectedRow(3, "the row is a list, not an object", "0123456789abcdef"),),
    )
    assert section(page(result), "totals").endswith(
        "Keys keys 4 active 2 inactive 1 never used 1 without findings 1 rejected 1 findings waived 0"
    )


def test_chart_marks_the_limits_between_the_bars() -> None:
    html = page(
        audit(
            key("a"),
            key("b", "Docs search", used=timedelta(days=46)),
            key("c", "Voice agent", used=timedelta(days=91)),
            key("d", "Release notes", used=timedelta(days=95)),
            key("e", "Figma plugin", used=None),
            key("f", "Not counted", active=False),
        )
    )
    assert (
        "days keys 0 1 1–6 0 7–29 0 30–44 0 limit: 45 days 45–59 1 60–89 0 "
        "limit: 90 days 90–179 2 180–364 0 365+ 0 never 1"
    ) == section(html, "use").split("limits of the policy ")[1]
    assert 'class="past"><th scope="row">45–59</th><td class="n">1</td>' in html
    assert 'class="long"><th scope="row">90–179</th>' in html
    assert 'class="never"><th scope="row">never</th>' in html
    assert '<rect width="50.00%" height="14" rx="2"/>' in html


def test_marks_own_and_inactive_keys() -> None:
    html = page(audit(key("a", own=True), key("b", "test", own=True), key("c", "Old bridge", active=False)))
    assert "keyaudit’s own key" in section(html, "clean")
    assert "test keyaudit’s own key" in section(html, "findings")
    assert "Old bridge inactive" in section(html, "findings")


def test_last_use_in_words_and_as_a_number_to_sort_by() -> None:
    html = page(
        audit(
            key("a", "test", used=timedelta(hours=3)),
            key("b", "test 2", used=timedelta(days=1, hours=23)),
            key("c", "key", used=timedelta(minutes=-4)),
            key("d", "key 2", used=timedelta(hours=-1)),
            key("e", "token", used=None),
            policy=only("twin-name", enabled=False),
        )
    )
    findings = section(html, "findings")
    assert "23 Nov 2026 09:00 UTC today" in findings
    assert "21 Nov 2026 13:00 UTC 1 day ago" in findings
    assert "23 Nov 2026 12:04 UTC today" in findings
    assert "23 Nov 2026 13:00 UTC in the future" in findings
    assert "e never used never used; how old" in findings
    used = sorted(set(Document(html).values("data-used")))
    assert ["", *sorted(str(int((NOW - ago).timestamp())) for ago in AGES)] == used


AGES = (timedelta(hours=3), timedelta(days=1, hours=23), timedelta(minutes=-4), timedelta(hours=-1))


def test_times_are_told_in_the_zone_of_the_result() -> None:
    result = replace(audit(key("a", "test")), zone=ZoneInfo("Europe/Berlin"))
    html = page(result)
    assert "23 Nov 2026 13:00 CET" in section(html, "verdict")
    assert "23 Nov 2026 12:00 CET" in section(html, "findings")
    assert 'datetime="2026-11-23T12:00:00Z"' in html


def test_waivers_and_what_they_waive() -> None:
    html = page(
        audit(
            key("a", "Retired importer", used=None),
            key("b", "Docs search", used=None),
            waivers=(
                Waiver(Selector(names=("Retired *",)), ("*",), "Kept until the review.", "Priya", date(2026, 12, 1)),
                Waiver(Selector(ids=("zz",)), ("stale",), "Long gone.", "Tom", date(2026, 12, 2)),
                Waiver(Selector(ids=("b",)), ("never-used",), "First use in autumn.", "Ana", date(2026, 11, 1)),
            ),
        )
    )
    waived = section(html, "waived")
    assert "in force name Retired * all Kept until the review. Priya 2026-12-01 1" in section(html, "waived")
    assert "matches nothing id zz stale Long gone. Tom 2026-12-02 0" in section(html, "waived")
    assert "expired id b never-used First use in autumn. Ana 2026-11-01 1, counted again" in section(html, "waived")
    assert "default:never-used:a" in waived
    assert "default:never-used:b" in section(html, "findings")
    assert ["default:never-used:b", "default:never-used:a"] == Document(html).texts("finding-id")


def test_all_waived() -> None:
    waiver = Waiver(Selector(ids=("a",)), ("*",), "Accepted.", "Priya", date(2026, 12, 1))
    html = page(audit(key("a", used=None), waivers=(waiver,)))
    assert "All right: no findings but 1 waived" == section(html, "verdict").split(" Account")[0]
    assert "Nothing to do. 1 finding waived" in section(html, "first")
    assert "No findings but the waived ones below" in section(html, "findings")


def test_rejected_rows() -> None:
    rejected = (
        RejectedRow(3, "isActive is text, not true or false", "0123456789abcdef", "id-3", "Half <b>", "rt_live_77"),
        RejectedRow(7, "the row is a list, not an object", "fedcba9876543210"),
    )
    html = page(audit(key(), rejected=rejected))
    shown = section(html, "rejected")
    assert "2 rows of 3 received, not audited." in shown
    assert "3 isActive is text, not true or false Half <b> rt_live_77 id-3 0123456789abcdef" in shown
    assert "7 the row is a list, not an object not read not read not read fedcba9876543210" in shown
    assert "2 rows of the answer could not be read." in section(html, "notes")


def test_policy_in_force() -> None:
    policy = Policy(
        rules={
            "stale": RuleSetting(severity=Severity.CRITICAL, options={"days": 30}),
            "future-use": RuleSetting(enabled=False),
        },
        overrides=(
            Override(
                Selector(names=("Partner: *", "CI *"), prefixes=("rt_test_*",), active=True),
                {"stale": RuleSetting(options={"days": 10}), "vague-name": RuleSetting(enabled=False, inactive=True)},
                "Partners call daily.",
            ),
        ),
    )
    html = page(audit(key("a", "Partner: Contoso", prefix="rt_test_1", used=timedelta(days=12)), policy=policy))
    shown = section(html, "policy")
    assert "stale Key not used for a long time 1 finding A key that nothing uses gives its owner nothing" in shown
    assert "days 30 high_days 90 severity always critical overridden for 1 key CIS Amazon Web Services" in shown
    assert "future-use Last use lies in the future off" in shown
    assert "too-many-active More active keys than budgeted off" in shown
    assert "expired Inactive key still listed no findings" in shown
    assert "inactive keys looked at too" in shown
    assert (
        "Keys with name Partner: * or CI * , prefix rt_test_* , active: stale days = 10 ; "
        "vague-name off, inactive keys too Partners call daily."
    ) in shown
    assert {"#rule-stale"} <= set(Document(html).values("href"))


def test_notes_stand_on_the_first_screen() -> None:
    note = Note("clock-skew", "The server's clock is 12 minutes ahead.")
    html = page(replace(audit(key()), notes=(note,)))
    assert "Note The server's clock is 12 minutes ahead." == section(html, "notes")
    assert html.index('id="notes"') < html.index('id="first"')
    assert "" == section(page(audit(key())), "notes")


@pytest.mark.parametrize(
    ("fail_on", "code", "words"),
    [(Severity.MEDIUM, 1, "1; fails from medium on"), (None, 0, "0; never fails")],
)
def test_outcome(fail_on: Severity | None, code: int, words: str) -> None:
    result = replace(audit(key("a", used=None)), fail_on=fail_on, exit_codes=(code,))
    assert section(page(result), "verdict").endswith(f"Exit code {words}")


def test_empty_account() -> None:
    html = page(audit())
    assert "All right: the account lists no keys" in section(html, "verdict")
    assert "Nothing to do." == section(html, "first").removeprefix("Next in line ")
    assert "The account lists no key that could be read." in section(html, "clean")
    assert "No findings." in section(html, "findings")
    assert "" == section(html, "waived") + section(html, "rejected")


def test_account_of_inactive_keys_only() -> None:
    html = page(audit(key("a", active=False), key("b", "Docs search", active=False, used=None)))
    assert "All right: nothing at or above high" in section(html, "verdict")
    assert "Every key has a finding" in section(html, "clean")
    assert '<rect width="0.00%"' in html


def test_keys_without_findings_say_when_they_are_cut() -> None:
    result = audit(*(key(f"k{n}", f"Service {chr(65 + n)}") for n in range(3)))
    cut = replace(result, clean_keys=result.clean_keys.head(2))
    assert "Listed are" not in section(page(result), "clean")
    assert "3 keys. Listed are the first 2 by name." in section(page(cut), "clean")


# ---------------------------------------------------------------- the cap


def test_shows_the_worst_and_says_where_all_are(crowd: AuditResult) -> None:
    html = page(crowd, siblings={"csv": "acme-1.csv", "json": "acme-1.json", "html": "acme-1.html"})
    assert list(crowd.findings["id"].head(ROWS_SHOWN)) == Document(html).texts("finding-id")
    assert (
        "This page shows the worst 2,000 of 2,500 findings. All of them are in acme-1.csv and acme-1.json , beside"
    ) in section(html, "notes")
    assert html.index('id="notes"') < html.index('id="first"')
    assert 'data-cut="500"' in html
    assert "2,400 findings, worst first. Shown are the worst 2,000." in section(html, "findings")
    assert 'Waived <span class="n">100</span>' in html


def test_without_a_file_that_holds_all_it_says_how_to_get_one(crowd: AuditResult) -> None:
    assert "--format csv or --format json" in section(page(crowd), "notes")


def test_nothing_is_said_of_a_cap_that_is_not_reached() -> None:
    assert "This page shows" not in page(audit(key("a", used=None)))


# ---------------------------------------------------------------- inert, complete in itself, the same again

NAMES = [name for _, name in HOSTILE]


def named(names: list[str], *, idle: timedelta | None) -> AuditResult:
    """Keys called *names*, judged by their idleness alone."""
    rows = [{**row(f"k{number:03}", name, idle=idle), "keyPrefix": name[:99]} for number, name in enumerate(names)]
    blind = Policy({rule: RuleSetting(enabled=False) for rule in ("vague-name", "twin-name")})
    return audit_document(answer(*rows), policy=blind)


@pytest.mark.parametrize("idle", [None, timedelta(0)], ids=["with findings", "without"])
def test_hostile_names_change_no_element(idle: timedelta | None) -> None:
    hostile = document(named(NAMES, idle=idle))
    tame = document(named([f"Service {number:03}" for number in range(len(NAMES))], idle=idle))
    assert tame.tags == hostile.tags
    assert not {name for name in hostile.names() if name.startswith("on") or name == "style"}
    shown = Counter(text for each, text in hostile.by_class if each == "name")
    assert not Counter(visible(name) for name in NAMES) - shown


@cache
def tame_tags() -> list[tuple[str, tuple[str, ...]]]:
    return document(with_texts(["a", "b", "c", "d"])).tags


@settings(max_examples=40)
@given(st.lists(st.text(min_size=1), min_size=4, max_size=4))
def test_any_text_stays_text(texts: list[str]) -> None:
    shown = document(with_texts(texts))
    assert tame_tags() == shown.tags
    for place in ("name", "prefix", "id", "sentence", "finding-id"):
        assert texts == [text for each, text in shown.by_class if each == place][-4:]


def test_hostile_text_from_config_and_answer() -> None:
    attack = "</td><script>alert(1)</script>{{ 7 * 7 }}"
    waiver = Waiver(Selector(names=(attack,)), (attack,), attack, attack, date(2026, 12, 1))
    override = Override(Selector(ids=(attack,)), {attack: RuleSetting(options={attack: attack})}, attack)
    row = RejectedRow(0, attack, attack, attack, attack, attack)
    result = replace(
        audit(key(), waivers=(waiver,), rejected=(row,)),
        account=attack,
        source=attack,
        overrides=(override,),
        notes=(Note("n", attack),),
    )
    html = page(result)
    assert 1 == html.count("<script>")
    assert "{{ 7 * 7 }}" in html
    Document(html)


def test_content_security_policy_fits_what_is_in_the_page() -> None:
    shown = document(audit(key("a", used=None)))
    policy = next(value for tag, name, value in shown.attributes if tag == "meta" and "default-src" in value)
    assert {
        "default-src 'none'",
        f"style-src {_digest(shown.raw['style'])}",
        f"script-src {_digest(shown.raw['script'])}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    } == set(policy.split("; "))


def test_asks_for_nothing(everything: AuditResult) -> None:
    shown = document(everything)
    assert {"data:,"} == {value for tag, name, value in shown.attributes if tag == "link" and name == "href"}
    assert {"a", "link"} >= {tag for tag, name, _ in shown.attributes if name == "href"}
    assert not shown.names() & {"src", "srcset", "action", "formaction", "data", "ping"}
    assert not re.findall(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|innerHTML", "".join(shown.raw.values()))
    assert not {tag for tag, _ in shown.tags} & {"img", "iframe", "object", "embed", "video", "audio", "form", "base"}


def test_every_link_within_the_page_has_its_target_and_no_id_occurs_twice(everything: AuditResult) -> None:
    shown = document(everything)
    ids = Counter(shown.values("id"))
    assert {1} == set(ids.values())
    assert {value[1:] for value in shown.values("href") if value.startswith("#")} <= set(ids)
    assert set(shown.values("aria-labelledby")) <= set(ids)


def test_the_same_again(everything: AuditResult) -> None:
    assert page(everything) == page(everything)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
