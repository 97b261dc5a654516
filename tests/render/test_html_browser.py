"""The page as Chromium shows it: quiet, usable by keyboard, on a phone, on paper, and without its script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from keyaudit.model import (
    AuditResult,
    DetailsState,
    Note,
    Override,
    Policy,
    RejectedRow,
    RuleSetting,
    Selector,
    Severity,
    Totals,
    Waiver,
)
from keyaudit.render import RenderSettings
from keyaudit.render.html import Html
from tests.browser import DESKTOP, PHONE, Visit, chromium, visit
from tests.builders import audit, key, only


def account() -> AuditResult:
    """Something of everything: several findings on one key, owners, a rule of each outcome, a row rejected."""
    return audit(
        key("a", "Billing sync", prefix="rt_live_aa11", own=True),
        key("b", "Nightly export", used=timedelta(days=50)),
        key("c", "Nightly export 2", used=timedelta(days=400)),
        key("d", "Voice agent", used=timedelta(days=91)),
        key("e", "test", used=None),
        key("f", "TEST ", used=timedelta(days=46)),
        key("g", "Retired importer", used=None, active=False),
        key("h", "Old bridge", used=timedelta(days=3), active=False),
        key("i", "From tomorrow", used=timedelta(days=-1)),
        key("j", "data/Warehouse", used=timedelta(days=60)),
        key("k", "data/Feature store", used=timedelta(days=61), permissions=["*"]),
        key("l", "web/Site search", ends=False, expires=None),
        key("m", f"{'a team with a long name ' * 6}/Drafts", used=timedelta(days=62)),
        policy=Policy(
            profile="cis",
            rules={"stale": RuleSetting(options={"days": 45}), "ownerless-name": RuleSetting(enabled=True)},
            overrides=(
                Override(Selector(names=("Voice*",)), {"stale": RuleSetting(severity=Severity.CRITICAL)}, "Customers."),
            ),
        ),
        waivers=(
            Waiver(Selector(ids=("h",)), ("*",), "Kept until the review.", "Priya", date(2026, 12, 31)),
            Waiver(Selector(ids=("l",)), ("no-expiry",), "Ends with the site.", "Priya", date(2026, 12, 31)),
            Waiver(Selector(ids=("zz",)), ("stale",), "Gone.", "Tom", date(2026, 12, 31)),
        ),
        rejected=(RejectedRow(4, "isActive is text, not true or false", "ab12cd34ef567890", name="Legacy"),),
        totals=Totals(15, None, 2),
    )


def refused() -> AuditResult:
    """An account whose details could not be had."""
    result = audit(key(), key("b", "Docs search", used=None), details=DetailsState(read=False, reason="Refused (403)."))
    return replace(result, notes=(Note("details-unavailable", "Details not available: Refused (403)."),))


def written(result: AuditResult, path: Path) -> Path:
    path.write_bytes(b"".join(Html().render(result, RenderSettings())))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(account(), tmp_path_factory.mktemp("page") / "acme-latest.html")


@pytest.fixture(scope="module")
def window(browser: Browser, report: Path) -> Iterator[Visit]:
    with visit(browser, report) as shown:
        yield shown


@pytest.fixture
def page(window: Visit, report: Path) -> Iterator[Page]:
    window.page.goto("about:blank")
    window.page.goto(report.as_uri())
    yield window.page
    assert [] == window.heard


def column(page: Page, attribute: str) -> list[str]:
    """That attribute of the rows on show, from the top."""
    values: list[str] = page.eval_on_selector_all(
        "#table tbody tr[id]:not([hidden])", f"rows => rows.map(row => row.getAttribute('{attribute}'))"
    )
    return values


def head(page: Page, name: str) -> Locator:
    return page.locator("#table").get_by_role("columnheader", name=name, exact=True)


def overflow(shown: Visit) -> int:
    pixels: int = shown.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return pixels


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_quiet_and_accessible(browser: Browser, report: Path, width: int, scheme: Literal["light", "dark"]) -> None:
    with visit(browser, report, width=width, scheme=scheme) as shown:
        assert 0 == overflow(shown)
        # all that there is to see
        shown.page.get_by_role("button", name="Open all rules").click()
        shown.page.get_by_role("radio", name="owner").check()
        assert 0 == overflow(shown)
        assert [] == shown.violations()
        assert [] == shown.heard
        assert [report.as_uri()] == shown.requests


def test_accessible_without_details(browser: Browser, tmp_path: Path) -> None:
    with visit(browser, written(refused(), tmp_path / "page.html"), width=PHONE, scheme="dark") as shown:
        expect(shown.page.get_by_role("heading", name="Details not available")).to_be_in_viewport()
        assert 0 == overflow(shown)
        assert [] == shown.violations()


def test_accessible_without_findings(browser: Browser, tmp_path: Path) -> None:
    with visit(browser, written(audit(key()), tmp_path / "page.html"), width=PHONE) as shown:
        assert [] == shown.violations()
        assert 0 == overflow(shown)
        assert [] == shown.heard


def test_hostile_names_run_nothing_and_break_no_layout(browser: Browser, hostile: AuditResult, tmp_path: Path) -> None:
    file = written(hostile, tmp_path / "page.html")
    with visit(browser, file, width=PHONE) as shown:
        shown.page.on("dialog", lambda dialog: shown.heard.append(dialog.message))
        shown.page.get_by_role("radio", name="key").check()
        assert 0 == overflow(shown)
        assert [] == shown.heard
        assert [file.as_uri()] == shown.requests


def test_a_script_that_is_not_ours_does_not_run(browser: Browser, report: Path) -> None:
    with visit(browser, report) as shown:
        shown.page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.owned = true";
                document.body.append(script);
                document.body.insertAdjacentHTML("beforeend", '<img src="https://evil.example/p.png">');
            }"""
        )
        assert shown.page.evaluate("window.owned === undefined")
        assert [report.as_uri()] == [url for url in shown.requests if "evil" not in url]
        assert 2 == len([text for text in shown.heard if "Content Security Policy" in text])


# ---------------------------------------------------------------- sort, filter, group


def test_sorts_by_real_time_never_used_as_oldest(page: Page) -> None:
    last_used = head(page, "Last used")
    expect(last_used).not_to_have_attribute("aria-sort", "descending")

    last_used.get_by_role("button").click()
    latest_first = [float(used) for used in column(page, "data-used") if used]
    assert sorted(latest_first, reverse=True) == latest_first
    expect(last_used).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("status")).to_contain_text("sorted by last used, latest use first")

    last_used.get_by_role("button").click()
    oldest_first = [float(used or "-inf") for used in column(page, "data-used")]
    assert sorted(oldest_first) == oldest_first
    assert 2 <= oldest_first.count(float("-inf"))
    expect(last_used).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("[aria-sort]")).to_have_count(1)


def as_collated(text: str) -> tuple[bool, str]:
    """What orders texts as people do: punctuation before letters, and none of it within."""
    return text[0].isalnum(), re.sub(r"[^a-z0-9]", "", text)


def test_sorts_by_words(page: Page) -> None:
    for name, cell in (("Rule", 1), ("Key", 2), ("Evidence", 4), ("What to do", 5)):
        button = head(page, name).get_by_role("button")
        for ends, way in ((min, "A to Z"), (max, "Z to A")):
            button.click()
            words: list[str] = page.eval_on_selector_all(
                "#table tbody tr[id]", f"rows => rows.map(row => row.cells[{cell}].textContent.trim().toLowerCase())"
            )
            assert ends(words, key=as_collated) == words[0]
            expect(page.get_by_role("status")).to_contain_text(f"sorted by {name.lower()}, {way}")


def test_severity_returns_to_worst_first(page: Page) -> None:
    before = column(page, "id")
    button = head(page, "Severity").get_by_role("button")
    button.click()
    ranks = [int(rank) for rank in column(page, "data-rank")]
    assert sorted(ranks) == ranks
    button.click()
    assert before == column(page, "id")


def test_filters_by_words_rule_and_severity(page: Page) -> None:
    rows = len(column(page, "id"))
    status = page.get_by_role("status")
    expect(status).to_have_text(f"Showing {rows} of {rows} findings; sorted by severity, worst first.")

    page.get_by_label("Filter").fill("NIGHTLY stale")
    assert ["stale", "stale"] == column(page, "data-rule")
    expect(status).to_contain_text(f"Showing 2 of {rows} findings")

    page.locator("#rule").select_option("twin-name")
    assert [] == column(page, "id")
    expect(status).to_contain_text("No finding matches the filters")

    page.get_by_role("button", name="Clear filters").click()
    assert rows == len(column(page, "id"))
    expect(page.get_by_label("Filter")).to_be_focused()
    expect(page.get_by_role("button", name="Clear filters")).to_be_disabled()

    page.get_by_role("checkbox", name="low", exact=True).uncheck()
    assert "low" not in column(page, "data-severity")
    assert 0 < len(column(page, "id")) < rows


def test_groups_by_key(page: Page) -> None:
    rows = sorted(column(page, "id"))
    page.get_by_role("radio", name="key").check()

    keys = column(page, "data-key")
    runs = [each for place, each in enumerate(keys) if place == 0 or keys[place - 1] != each]
    assert len(set(keys)) == len(runs)
    headings = page.locator("#table tbody tr.group:not([hidden])")
    expect(headings).to_have_count(len(runs))
    expect(page.get_by_role("status")).to_contain_text(f"grouped by key: {len(runs)} groups")
    expect(headings.filter(has_text="Nightly export 2")).to_have_text("Nightly export 2 rt_live_ab12 (3 findings)")
    assert rows == sorted(column(page, "id"))

    page.get_by_label("Filter").fill("voice agent")
    expect(headings).to_have_count(1)

    page.get_by_role("radio", name="none").check()
    expect(headings).to_have_count(0)


def test_groups_follow_the_order_of_what_is_on_show(page: Page) -> None:
    """A group whose worst finding a filter hides stands where the next one would."""
    page.get_by_role("radio", name="key").check()
    for worst in ("critical", "high"):
        page.get_by_role("checkbox", name=worst, exact=True).uncheck()
        firsts: list[int] = page.eval_on_selector_all(
            "#table tbody tr.group:not([hidden])",
            """groups => groups.map(group => {
                let row = group.nextElementSibling;
                while (row.hidden) row = row.nextElementSibling;
                return Number(row.dataset.rank);
            })""",
        )
        assert sorted(firsts, reverse=True) == firsts
    told = page.locator("#table tbody tr.group:not([hidden])").filter(has_text="Nightly export 2")
    expect(told).to_contain_text("(2 findings)")

    page.get_by_role("button", name="Clear filters").click()
    expect(told).to_contain_text("(3 findings)")
    head(page, "Key").get_by_role("button").click()
    names = page.locator("#table tbody tr.group:not([hidden]) > th > .name").all_inner_texts()
    assert names[0].startswith("a team")
    assert len(set(column(page, "data-key"))) == len(names)


def test_filtering_moves_no_row(page: Page) -> None:
    page.evaluate(
        """() => {
            window.moved = 0;
            new MutationObserver(records => { window.moved += records.length; }).observe(
                document.querySelector("#table tbody"), {childList: true});
        }"""
    )
    for group in ("none", "key"):
        page.get_by_role("radio", name=group).check()
        page.evaluate("window.moved = 0")
        page.get_by_label("Filter").fill("nightly")
        assert 0 < len(column(page, "id")) < page.locator("#table tbody tr[id]").count()
        page.get_by_label("Filter").fill("")
        assert 0 == page.evaluate("window.moved")
    head(page, "Rule").get_by_role("button").click()
    assert 0 < page.evaluate("window.moved")


def test_groups_of_keys_with_the_same_name_can_be_told_apart(browser: Browser, tmp_path: Path) -> None:
    keys = (
        key("k1", "Worker", prefix="rt_live_aa", used=None),
        key("k2", "Worker", prefix="rt_live_bb", used=None),
        key("k3", "Worker", prefix="rt_live_bb", used=None),
        key("k4", "Feed", prefix="rt_live_aa", used=None),
    )
    with visit(browser, written(audit(*keys, policy=only("twin-name", enabled=False)), tmp_path / "p.html")) as shown:
        shown.page.get_by_role("radio", name="key").check()
        assert {
            "Worker rt_live_aa (1 finding)",
            "Worker rt_live_bb k2 (1 finding)",
            "Worker rt_live_bb k3 (1 finding)",
            "Feed rt_live_aa (1 finding)",
        } == set(shown.page.locator("#table tbody tr.group").all_inner_texts())


def test_nothing_claims_an_order_that_sorting_changed(page: Page) -> None:
    head(page, "Rule").get_by_role("button").click()
    expect(page.locator("section[aria-labelledby=findings]")).not_to_contain_text("worst first", ignore_case=True)


def test_limits_of_the_chart_are_no_column_headers(page: Page) -> None:
    chart = page.locator(".chart")
    expect(chart.locator(".limit")).to_have_count(2)
    assert ["days", "keys"] == chart.get_by_role("columnheader").all_inner_texts()


@pytest.mark.parametrize("width", [PHONE, 800, DESKTOP])
def test_a_table_that_scrolls_sideways_says_so(browser: Browser, report: Path, width: int) -> None:
    with visit(browser, report, width=width) as shown:
        scrolls = shown.page.evaluate(
            """() => [...document.querySelectorAll(".scroll")].map(each => {
                const told = getComputedStyle(each, "::before").display !== "none";
                return [each.getAttribute("aria-label"), each.scrollWidth > each.clientWidth, told];
            })"""
        )
        assert [(label, over) for label, over, _ in scrolls] == [(label, told) for label, _, told in scrolls]
        sideways = {label for label, over, _ in scrolls if over}
        if width == PHONE:
            assert {"Table of waivers", "Table of rows that could not be read"} == sideways
        if width == DESKTOP:
            assert set() == sideways
        for label in sideways:
            region = shown.page.get_by_role("region", name=label)
            region.focus()
            expect(region).to_be_focused()


def test_groups_and_filters_by_owner(page: Page) -> None:
    rows = len(column(page, "id"))
    page.get_by_role("radio", name="owner").check()
    headings = page.locator("#table tbody tr.group:not([hidden])")
    expect(headings).to_have_count(3)
    expect(headings.filter(has_text="data")).to_have_text("data (3 findings)")
    expect(headings.filter(has_text="no owner")).to_have_text(f"no owner ({rows - 4} findings)")
    expect(page.get_by_role("status")).to_contain_text("grouped by owner: 3 groups")

    owner = page.locator("#owner")
    owner.select_option(label="data (3)")
    assert ["stale", "stale", "broad-permission"] == sorted(column(page, "data-rule"), reverse=True)
    expect(headings).to_have_count(1)

    page.get_by_role("button", name="Clear filters").click()
    expect(owner).to_have_value("")
    assert rows == len(column(page, "id"))

    owner.select_option(label=f"no owner ({rows - 4})")
    assert {"0"} == set(column(page, "data-owner"))


# ---------------------------------------------------------------- rules


def test_rules_are_lines_that_open(page: Page) -> None:
    rule = page.locator("#rule-expired")
    expect(rule.locator(".texts")).to_be_hidden()
    rule.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(rule.locator(".texts")).to_be_visible()

    button = page.locator("#unfold")
    button.click()
    expect(page.locator("details:not([open])")).to_have_count(0)
    expect(button).to_have_text("Close all rules")
    button.click()
    expect(page.locator("details[open]")).to_have_count(0)


def test_a_link_to_a_rule_opens_it_each_time(page: Page) -> None:
    link = page.locator("#table").get_by_role("link", name="vague-name").first
    rule = page.locator("#rule-vague-name")
    for _ in range(2):
        link.click()
        expect(rule.locator(".texts")).to_be_in_viewport()
        rule.locator("summary").click()
        expect(rule.locator(".texts")).to_be_hidden()


def test_an_address_with_a_rule_opens_it(browser: Browser, report: Path) -> None:
    with visit(browser, report) as shown:
        shown.page.goto("about:blank")
        shown.page.goto(f"{report.as_uri()}#rule-expired")
        expect(shown.page.locator("details[open]")).to_have_count(1)
        expect(shown.page.locator("#rule-expired .texts")).to_be_in_viewport()


def test_clauses_lead_to_their_rules(page: Page) -> None:
    page.locator(".standards").get_by_role("link").click()
    row = page.locator(".clauses").get_by_role("row").filter(has_text="AC-6")
    expect(row).to_be_in_viewport()
    expect(row.get_by_role("cell").first).to_have_text("fail")
    row.get_by_role("link", name="broad-permission").click()
    expect(page.locator("#rule-broad-permission .texts")).to_be_in_viewport()


def test_numbers_lead_to_what_they_count(page: Page) -> None:
    page.get_by_role("link", name="critical: 2 findings").click()
    assert ["critical", "critical"] == column(page, "data-severity")

    page.locator("#rule-never-used summary").click()
    page.locator("#rule-never-used").get_by_role("link", name="Show the finding").click()
    assert ["never-used"] == column(page, "data-rule")


def test_a_link_to_a_hidden_finding_arrives(page: Page) -> None:
    rows = len(column(page, "id"))
    page.get_by_label("Filter").fill("nothing like it")
    page.get_by_role("link", name="Voice agent").first.click()
    expect(page.locator("tr:target")).to_be_in_viewport()
    assert rows == len(column(page, "id"))


# ---------------------------------------------------------------- keyboard, theme, paper, no script


def test_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the verdict")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the verdict")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()

    button = head(page, "Rule").get_by_role("button")
    button.focus()
    outline: str = button.evaluate("each => getComputedStyle(each).outlineStyle")
    page.keyboard.press("Enter")
    assert "solid" == outline
    assert sorted(column(page, "data-rule")) == column(page, "data-rule")
    expect(button).to_be_focused()


def test_theme(page: Page) -> None:
    def paper() -> str:
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour

    automatic = paper()
    page.get_by_role("button", name="Theme: auto").click()
    assert automatic == paper()
    page.get_by_role("button", name="Theme: light").click()
    assert automatic != paper()
    page.get_by_role("button", name="Theme: dark").click()
    assert automatic == paper()


def test_on_paper(browser: Browser, report: Path) -> None:
    with visit(browser, report, width=700, scheme="dark") as shown:
        shown.page.emulate_media(media="print")
        for hidden in ("#controls", "nav", "#theme", "#unfold"):
            expect(shown.page.locator(hidden)).to_be_hidden()
        ink = shown.page.evaluate("getComputedStyle(document.querySelector('h1')).color")
        assert "rgb(29, 27, 24)" == ink
        assert shown.page.locator("#table tbody tr").count() == shown.page.locator("#table tbody tr:visible").count()
        shown.page.locator("#rule-stale").evaluate("each => each.open = true")
        shown.page.evaluate(
            """() => addEventListener("beforeprint", () => {
                window.closed = document.querySelectorAll("details:not([open])").length;
            })"""
        )
        assert shown.page.pdf(format="A4").startswith(b"%PDF")
        assert 0 == shown.page.evaluate("window.closed")
        expect(shown.page.locator("details[open]")).to_have_count(1)


@pytest.mark.parametrize("clicks", [1, 2])
def test_on_paper_it_is_light_whatever_theme_was_chosen(browser: Browser, report: Path, clicks: int) -> None:
    with visit(browser, report, scheme="dark") as shown:
        for _ in range(clicks):
            shown.page.locator("#theme").click()
        shown.page.emulate_media(media="print")
        colours = "each => [getComputedStyle(document.documentElement).colorScheme, getComputedStyle(each).color]"
        assert ["light", "rgb(29, 27, 24)"] == shown.page.locator("h1").evaluate(colours)


def test_on_paper_nothing_small_is_torn(browser: Browser, report: Path) -> None:
    with visit(browser, report) as shown:
        shown.page.emulate_media(media="print")
        for whole in ("#table tbody tr", ".rule", ".first li", ".tiles", ".chart", ".overrides li", ".notes"):
            breaks = "all => all.map(each => getComputedStyle(each).breakInside)"
            assert {"avoid"} == set(shown.page.eval_on_selector_all(whole, breaks))


def test_on_paper_nothing_is_said_of_scrolling(browser: Browser, report: Path) -> None:
    with visit(browser, report, width=PHONE) as shown:
        shown.page.emulate_media(media="print")
        told = "all => all.map(each => getComputedStyle(each, '::before').display)"
        assert {"none"} == set(shown.page.eval_on_selector_all(".scroll", told))


def test_without_script(browser: Browser, report: Path) -> None:
    with visit(browser, report, script=False) as shown:
        expect(shown.page.locator("#controls")).to_be_hidden()
        expect(shown.page.locator("#theme")).to_be_hidden()
        expect(shown.page.locator("button:visible")).to_have_count(0)
        rules = shown.page.locator("details .texts")
        assert 20 < rules.count() == shown.page.locator("details .texts:visible").count()
        findings = shown.page.locator("#table tbody tr")
        assert 0 < findings.count() == shown.page.locator("#table tbody tr:visible").count()
        expect(shown.page.get_by_role("heading", level=1)).to_contain_text("Not all right")
        assert [] == shown.heard
