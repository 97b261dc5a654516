"""The page as Chromium shows it: quiet, usable by keyboard, on a phone, on paper, and without its script."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from keyaudit.model import (
    AuditResult,
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
from tests.builders import audit, key


def account() -> AuditResult:
    """Something of everything: 13 findings, three on one key, one waived, one row rejected."""
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
        policy=Policy(
            rules={"stale": RuleSetting(options={"days": 45})},
            overrides=(
                Override(Selector(names=("Voice*",)), {"stale": RuleSetting(severity=Severity.CRITICAL)}, "Customers."),
            ),
        ),
        waivers=(
            Waiver(Selector(ids=("h",)), ("*",), "Kept until the review.", "Priya", date(2026, 12, 31)),
            Waiver(Selector(ids=("zz",)), ("stale",), "Gone.", "Tom", date(2026, 12, 31)),
        ),
        rejected=(RejectedRow(4, "isActive is text, not true or false", "ab12cd34ef567890", name="Legacy"),),
        totals=Totals(11, None, 2),
    )


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
        assert [] == shown.violations()
        assert [] == shown.heard
        assert [report.as_uri()] == shown.requests


def test_accessible_without_findings(browser: Browser, tmp_path: Path) -> None:
    with visit(browser, written(audit(key()), tmp_path / "page.html"), width=PHONE) as shown:
        assert [] == shown.violations()
        assert 0 == overflow(shown)
        assert [] == shown.heard


def test_hostile_names_run_nothing_and_break_no_layout(browser: Browser, hostile: AuditResult, tmp_path: Path) -> None:
    file = written(hostile, tmp_path / "page.html")
    with visit(browser, file, width=PHONE) as shown:
        shown.page.on("dialog", lambda dialog: shown.heard.append(dialog.message))
        shown.page.get_by_role("button", name="Group by key").click()
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


def test_sorts_by_words(page: Page) -> None:
    for name, cell in (("Rule", 1), ("Key", 2), ("Evidence", 4), ("What to do", 5)):
        button = head(page, name).get_by_role("button")
        for ends, way in ((min, "A to Z"), (max, "Z to A")):
            button.click()
            words: list[str] = page.eval_on_selector_all(
                "#table tbody tr[id]",
                f"rows => rows.map(row => row.cells[{cell}].textContent.replace(/[^a-z0-9]/gi, '').toLowerCase())",
            )
            assert ends(words) == words[0]
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
    button = page.get_by_role("button", name="Group by key")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")

    keys = column(page, "data-key")
    runs = [each for place, each in enumerate(keys) if place == 0 or keys[place - 1] != each]
    assert len(set(keys)) == len(runs)
    headings = page.locator("#table tbody tr.group")
    expect(headings).to_have_count(len(runs))
    expect(page.get_by_role("status")).to_contain_text(f"grouped by key: {len(runs)} groups")
    expect(headings.filter(has_text="Nightly export 2")).to_contain_text("2 findings")
    assert rows == sorted(column(page, "id"))

    page.get_by_label("Filter").fill("voice agent")
    expect(headings).to_have_count(1)

    button.click()
    expect(headings).to_have_count(0)


def test_numbers_lead_to_what_they_count(page: Page) -> None:
    page.get_by_role("link", name="critical: 1 finding").click()
    assert ["critical"] == column(page, "data-severity")

    page.locator("#rule-never-used").get_by_role("link", name="1 finding").click()
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
        for hidden in ("#controls", "nav", "#theme"):
            expect(shown.page.locator(hidden)).to_be_hidden()
        ink = shown.page.evaluate("getComputedStyle(document.querySelector('h1')).color")
        assert "rgb(29, 27, 24)" == ink
        assert shown.page.locator("#table tbody tr").count() == shown.page.locator("#table tbody tr:visible").count()
        assert shown.page.pdf(format="A4").startswith(b"%PDF")


def test_without_script(browser: Browser, report: Path) -> None:
    with visit(browser, report, script=False) as shown:
        expect(shown.page.locator("#controls")).to_be_hidden()
        expect(shown.page.locator("#theme")).to_be_hidden()
        expect(shown.page.get_by_role("button")).to_have_count(0)
        findings = shown.page.locator("#table tbody tr")
        assert 0 < findings.count() == shown.page.locator("#table tbody tr:visible").count()
        expect(shown.page.get_by_role("heading", level=1)).to_contain_text("Not all right")
        assert [] == shown.heard
