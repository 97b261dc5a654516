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
    ClauseResult,
    DetailsState,
    Note,
    Override,
    Policy,
    Reference,
    RejectedRow,
    RuleSetting,
    Selector,
    Severity,
    Standard,
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
    assert (
        section(page(result), "totals")
        .partition(" Standards ")[0]
        .endswith("Keys keys 4 active 2 inactive 1 never used 1 without findings 1 rejected 1 findings waived 0")
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
    assert "e never used never used; its age is not known" in findings
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
    assert "2 rows could not be read, or not whole. 2 of 3 keys are not audited for it." in shown
    assert "analytics 3 isActive is text, not true or false no Half <b> rt_live_77 id-3 0123456789abcdef" in shown
    assert "analytics 7 the row is a list, not an object no not read not read not read fedcba9876543210" in shown
    assert "2 rows of the answer could not be read." in section(html, "notes")


def unreadable(number: int) -> AuditResult:
    rows = (RejectedRow(each, "the row is a list, not an object", f"{each:016x}") for each in range(number))
    return audit(key(), rejected=tuple(rows))


def test_shows_the_first_rejected_rows_and_says_where_all_are() -> None:
    html = page(unreadable(ROWS_SHOWN + 2), siblings={"csv": "acme-1.csv", "json": "acme-1.json"})
    shown = section(html, "rejected")
    assert "2,002 rows could not be read, or not whole. 2,002 of 2,003 keys are not audited for it." in shown
    assert "Shown are the first 2,000; 2 more are in acme-1.json , beside this file." in shown
    assert [f"{each:016x}" for each in range(ROWS_SHOWN)] == re.findall(r"<code>([0-9a-f]{16})</code>", html)
    assert 'Rows not read <span class="n">2,002</span>' in html


def test_without_a_json_file_it_says_how_to_get_all_rejected_rows() -> None:
    shown = section(page(unreadable(ROWS_SHOWN + 1), siblings={"csv": "acme-1.csv"}), "rejected")
    assert "Shown are the first 2,000; 1 more is not on this page" in shown
    assert "run the audit with --format json" in shown
    assert "Shown are" not in section(page(unreadable(ROWS_SHOWN)), "rejected")


def test_the_account_has_no_last_use() -> None:
    rejected = (RejectedRow(3, "isActive is text, not true or false", "0123456789abcdef", "id-3", "Half"),)
    findings = section(
        page(audit(key(), rejected=rejected, policy=only("too-many-active", enabled=True, max_active=0))), "findings"
    )
    assert "too-many-active the account does not apply" in findings
    assert 1 == findings.count("does not apply")
    assert "Half id-3 not known row 3 of the answer" in findings


def test_waivers_that_do_nothing_are_noted_on_the_first_screen() -> None:
    def noted(*rules_and_ends: tuple[str, date]) -> str:
        waivers = (Waiver(Selector(), (rule,), "Accepted.", "Priya", ends) for rule, ends in rules_and_ends)
        return page(audit(key("a", used=None), waivers=tuple(waivers)))

    used, expired, idle = (
        ("never-used", date(2026, 12, 1)),
        ("never-used", date(2026, 11, 1)),
        ("stale", date(2026, 12, 1)),
    )
    html = noted(expired, idle, idle, used)
    assert "Note 1 waiver has expired, 2 waivers match nothing: see the waivers ." == section(html, "notes")
    assert 'nothing: <a href="#waived">' in html
    assert "Note 1 waiver matches nothing: see the waiver ." == section(noted(idle), "notes")
    assert "Note 2 waivers have expired: see the waivers ." == section(noted(expired, expired), "notes")
    assert "" == section(noted(used), "notes")


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
    assert "critical stale Key not used for a long time 1 finding A key that nothing uses gives its owner" in shown
    assert "days 30 high_days 90 severity always critical overridden for 1 key CIS AWS Foundations" in shown
    assert "off future-use Last use lies in the future" in shown
    assert "off too-many-active More active keys than budgeted" in shown
    assert "no findings expired Inactive key still listed" in shown
    assert "inactive keys looked at too" in shown
    assert (
        "Keys with name Partner: * or CI * , prefix rt_test_* , active: stale days = 10 ; "
        "vague-name off, inactive keys too Partners call daily."
    ) in shown
    assert {"#rule-stale"} <= set(Document(html).values("href"))


def test_profile_and_overrides_by_owner() -> None:
    policy = Policy(
        profile="cis",
        overrides=(
            Override(Selector(owners=("data\u200b", "ops-*")), {"stale": RuleSetting(options={"days": 10})}),
            Override(Selector(), {"expired": RuleSetting(enabled=False)}),
        ),
    )
    html = page(audit(key(), policy=policy))
    assert "profile cis, 18 rules, 2 overrides" in section(html, "verdict")
    shown = section(html, "policy")
    assert "The policy begins with the profile cis : The 45 days of CIS AWS Foundations" in shown
    assert "Keys with owner data⟨U+200B⟩ or ops-* : stale days = 10" in shown
    assert "Every key: expired off" in shown


def test_rules_by_how_they_fared() -> None:
    waiver = Waiver(Selector(), ("no-expiry",), "Accepted.", "Priya", date(2026, 12, 1))
    html = page(
        audit(
            key("a", used=timedelta(days=400), ends=False, expires=None),
            key("b", "test"),
            key("c", "Old bridge", active=False),
            policy=only("twin-name", enabled=False),
            waivers=(waiver,),
        )
    )
    fared = re.findall(r'<details id="rule-([\w-]+)" class="rule ([\w-]+)" open>', html)
    outcomes = {outcome: [rule for rule, each in fared if each == outcome] for _, outcome in fared}
    assert ["found", "passed", "off"] == list(outcomes)
    assert ["stale", "expired", "vague-name"] == outcomes["found"]
    assert {"twin-name", "no-ip-allowlist", "ownerless-name", "too-many-active"} == set(outcomes["off"])
    shown = section(html, "policy")
    assert "high stale Key not used for a long time 1 finding" in shown
    assert "waived no-expiry Key never expires 1 waived" in shown
    assert "no findings broad-permission Key may do too much" in shown
    assert "off twin-name Active keys with the same name" in shown


def test_a_rule_may_have_findings_and_waived_ones() -> None:
    waiver = Waiver(Selector(ids=("a",)), ("stale",), "Accepted.", "Priya", date(2026, 12, 1))
    old = timedelta(days=60)
    html = page(audit(key("a", used=old), key("b", "Docs search", used=old), waivers=(waiver,)))
    assert "medium stale Key not used for a long time 1 finding, 1 waived" in section(html, "policy")


# ---------------------------------------------------------------- details, standards, owners

REFUSED = DetailsState(read=False, reason="The list of keys was refused (403).")


def test_details_that_could_not_be_had_are_told_first_and_once() -> None:
    note = Note("details-unavailable", "Details not available: The list of keys was refused (403). Give it the scope.")
    other = Note("clock-skew", "The clock is ahead.")
    html = page(replace(audit(key(), details=REFUSED), notes=(other, note)))
    assert section(html, "details").startswith(
        "Details not available The list of keys was refused (403). Give it the scope. 10 rules that need them were "
        "not evaluated"
    )
    assert "Note The clock is ahead." == section(html, "notes")
    assert 1 == html.count("Details not available")
    assert '<section class="notes gap" ' in html
    assert html.index('id="details"') < html.index('id="notes"') < html.index('id="first"')
    assert "8 of 18 rules" in section(html, "verdict")


def test_details_that_nobody_asked_for_are_told_in_a_calmer_way() -> None:
    html = page(audit(key(), details=DetailsState(read=False, reason="They are switched off.")))
    assert section(html, "details").startswith("Details not available They are switched off. 10 rules")
    assert '<section class="notes gap calm" ' in html


def test_rules_without_their_details_are_not_evaluated_which_is_not_passed() -> None:
    html = page(audit(key(), details=REFUSED))
    shown = section(html, "policy")
    assert "Not evaluated 10 These neither passed nor failed" in shown
    assert "not evaluated no-expiry Key never expires Not evaluated. It needs the details of the keys." in shown
    assert "no findings no-expiry" not in shown
    assert "rotation-due not evaluated" in section(html, "compliance")


def test_details_that_no_rule_wants_leave_no_gap() -> None:
    names = [rule.name for rule in audit(key(), details=REFUSED).rules if rule.state == "not evaluated"]
    off = Policy(rules={name: RuleSetting(enabled=False) for name in names})
    note = Note("details-unavailable", "Details not available: refused.")
    html = page(replace(audit(key(), details=REFUSED, policy=off), notes=(note,)))
    assert "" == section(html, "details")
    assert "Note Details not available: refused." == section(html, "notes")


def test_nothing_is_said_of_details_that_were_read() -> None:
    html = page(audit(key()))
    assert "" == section(html, "details")
    assert "profile default, 18 rules" in section(html, "verdict")


def test_compliance_by_standard() -> None:
    waiver = Waiver(Selector(ids=("b",)), ("no-expiry",), "Accepted.", "Priya", date(2026, 12, 1))
    html = page(
        audit(
            key("a", used=timedelta(days=60)),
            key("b", "Docs search", ends=False, expires=None),
            policy=only("twin-name", enabled=False),
            waivers=(waiver,),
        )
    )
    shown = section(html, "compliance")
    assert shown.startswith("Compliance 8 of 15 clauses pass, 4 fail, 2 waived, 1 not evaluated.")
    assert "evidence, not certification" in shown
    assert (
        "Clause State What it asks for Rules Findings Waived CIS AWS Foundations Benchmark v7 : 1 passes, 1 fails"
        in shown
    )
    assert "5.3 fail disable dormant accounts after 45 days analogous never-used , stale 1 0" in shown
    assert "AC-6 pass allow only what the assigned tasks need broad-permission , no-ip-allowlist off 0 0" in shown
    assert (
        "IA-5(f) waived change authenticators after a set period lifetime-too-long , no-expiry , rotation-due 0 1"
        in (shown)
    )
    assert "NHI9 not evaluated one identity for one use twin-name off 0 0" in shown
    assert "8 of 15 clauses pass, 4 fail, 2 waived, 1 not evaluated . A pass here is evidence, not certification." in (
        section(html, "totals")
    )
    assert 'href="https://www.cisecurity.org/controls/v8" rel="noopener noreferrer">CIS Controls v8</a>' in html
    assert {"#compliance"} <= set(Document(html).values("href"))


def test_compliance_shows_the_clauses_of_the_result_or_nothing() -> None:
    standard = Standard("house", "House rules", "2")
    clause = ClauseResult(Reference(standard, "7", "be kind"), ("stale",), "pass", 0, 0)
    html = page(replace(audit(key()), compliance=(clause,)))
    assert "1 of 1 clause passes." in section(html, "compliance")
    assert "House rules 2 : 1 passes 7 pass be kind stale 0 0" in section(html, "compliance")

    html = page(replace(audit(key()), compliance=()))
    assert "" == section(html, "compliance")
    assert "#compliance" not in Document(html).values("href")


def owned() -> AuditResult:
    return audit(
        key("a", "data/Nightly export", used=timedelta(days=400)),
        key("b", "Ops <b>/Voice agent", used=timedelta(days=50)),
        key("c", "data/Warehouse", used=timedelta(days=60)),
        key("d", "Nobody's", used=timedelta(days=1)),
        key("e", "web/Docs search"),
        policy=Policy(rules={"ownerless-name": RuleSetting(enabled=True)}),
    )


def test_owners_are_told_wherever_keys_are() -> None:
    html = page(owned())
    assert "data/Nightly export owner data – last used" in section(html, "first")
    assert "data/Nightly export rt_live_ab12 a owner data 19 Oct 2025" in section(html, "findings")
    assert "all owners data (2) Ops <b> (1) no owner (1)" in section(html, "findings")
    assert "Group by none key owner" in section(html, "findings")
    assert "Key Owner Prefix Last used Id web/Docs search web rt_live_ab12" in section(html, "clean")
    rows = [tuple(map(int, each)) for each in re.findall(r'data-key="(\d+)" data-owner="(\d+)"', html)]
    assert [(1, 1), (2, 1), (3, 2), (4, 0)] == rows


def test_a_key_without_an_owner_among_others() -> None:
    result = audit(
        key("a", "Nobody's"),
        key("b", "ops/Voice agent"),
        policy=Policy(
            rules={"ownerless-name": RuleSetting(enabled=True)},
            overrides=(Override(Selector(ids=("a",)), {"ownerless-name": RuleSetting(enabled=False)}),),
        ),
    )
    shown = section(page(result), "clean")
    assert "Nobody's none told rt_live_ab12" in shown
    assert "ops/Voice agent ops rt_live_ab12" in shown


def test_nothing_is_said_of_owners_where_no_name_tells_one() -> None:
    html = page(audit(key("a", used=None), key("b", "Docs search")))
    assert "Group by none key Clear" not in html
    assert "owner" not in section(html, "findings") + section(html, "clean") + section(html, "first")


def test_rows_read_in_part_and_rows_of_the_details() -> None:
    rejected = (
        RejectedRow(0, "createdAt is no timestamp", "0123456789abcdef", "k1", list="details", kept=True),
        RejectedRow(4, "the row is a list, not an object", "fedcba9876543210", list="details"),
    )
    shown = section(page(audit(key(), rejected=rejected)), "rejected")
    assert "2 rows could not be read, or not whole. 1 of 2 keys is not audited for it." in shown
    assert "details 0 createdAt is no timestamp yes; what could not be read counts as not known not read" in shown
    assert "details 4 the row is a list, not an object by the analytics alone, where they list it not read" in shown

    shown = section(page(audit(key(), rejected=rejected[:1])), "rejected")
    assert "1 row could not be read, or not whole. No key is left out of the audit for it." in shown


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
    assert "2,400 findings. Shown are the worst 2,000." in section(html, "findings")
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
    blind = Policy(rules={rule: RuleSetting(enabled=False) for rule in ("vague-name", "twin-name")})
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
    override = Override(
        Selector(ids=(attack,), owners=(attack,)), {attack: RuleSetting(options={attack: attack})}, attack
    )
    row = RejectedRow(0, attack, attack, attack, attack, attack)
    result = replace(
        audit(key(), waivers=(waiver,), rejected=(row,)),
        account=attack,
        source=attack,
        overrides=(override,),
        notes=(Note("n", attack), Note("details-unavailable", attack)),
        details=DetailsState(read=False, reason=attack),
        compliance=(
            ClauseResult(Reference(Standard(attack, attack, attack), attack, attack), ("stale",), "pass", 0, 0),
        ),
    )
    findings = result.findings.assign(owner=attack)
    result = replace(result, findings=findings, clean_keys=result.clean_keys.assign(owner=attack))
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
