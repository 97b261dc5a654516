"""The config file, the environment, the search, and what is made from the settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyaudit import config
from keyaudit.config.reference import GENERATED, example, reference, schema, schema_file
from keyaudit.config.sections import SeverityWord, config_file, scalars
from keyaudit.config.source import Document, variable
from keyaudit.errors import ConfigError
from keyaudit.fetch.settings import RuntypeSettings
from keyaudit.model import Override, Policy, RuleSetting, Selector, Severity, Waiver
from keyaudit.rules import all_rules
from keyaudit.secret import SecretRef

TODAY = date(2026, 11, 23)
CHECKOUT = Path(__file__).parents[1]
FAKE_TOKEN = "rt_live_" + "5up3r5ecret" * 2


def load(text: str = "", **environ: str) -> config.Config:
    """Load *text* as a config file; an empty one leaves only the environment."""
    path = Path("keyaudit.toml")
    path.write_text(text, encoding="utf-8")
    return config.load(path, environ, today=TODAY)


def problems(text: str = "", **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, **environ)
    return caught.value.message.split("\n")


# ---------------------------------------------------------------- values


def test_without_a_file_the_defaults_hold() -> None:
    settings = config.load(None, {}, today=TODAY)
    assert settings == config.Config(
        source=None,
        variables=(),
        account="default",
        runtype=RuntypeSettings(),
        token=SecretRef("env", "RUNTYPE_API_KEY"),
        policy=Policy(),
        waivers=(),
        report=config.ReportSettings(
            formats=("html", "markdown"),
            output_dir=Path("keyaudit-reports"),
            timezone=UTC,
            templates=None,
            keep=90,
            fail_on=Severity.HIGH,
        ),
    )


def test_every_section_reaches_its_setting() -> None:
    settings = load(
        """
        [runtype]
        account = "acme.eu-1"
        base_url = "http://127.0.0.1:8080/api"
        token = "file:/run/secrets/token"
        ca_file = "~/ca.pem"
        details = "on"
        deadline = 60
        connect_timeout = 2.5
        read_timeout = 3.5
        max_body_mib = 2

        [policy.rules.stale]
        days = 30
        severity = "critical"
        [policy.rules.never-used]
        inactive = true
        [policy.rules.too-many-active]
        enabled = true
        [policy.rules.twin-name]

        [[policy.overrides]]
        prefix = "rt_test_*"
        active = false
        comment = "Tests come\tand go."
        rules.stale.enabled = false
        rules.vague-name.pattern = 'x+'

        [[waivers]]
        name = ["Old *", "Older *"]
        id = "api_1"
        rules = ["stale", "expired", "stale"]
        reason = '''
            Until the migration
            ends.'''
        owner = "plattform@bücher.example"
        expires = 2027-11-24

        [[waivers]]
        prefix = "rt_live_ab*"
        rules = ["expired", "*"]
        reason = "r"
        owner = "o"
        expires = 2020-01-01

        [report]
        formats = ["json", "csv", "json"]
        output_dir = "/srv/reports"
        timezone = "Europe/Berlin"
        templates = "own"
        keep = 0
        fail_on = "never"
        """
    )
    assert settings == config.Config(
        source=Path("keyaudit.toml"),
        variables=(),
        account="acme.eu-1",
        runtype=RuntypeSettings(
            base_url="http://127.0.0.1:8080/api",
            deadline=60,
            connect_timeout=2.5,
            read_timeout=3.5,
            max_body_bytes=2 * 2**20,
            ca_file=Path.home() / "ca.pem",
            details="on",
        ),
        token=SecretRef("file", "/run/secrets/token"),
        policy=Policy(
            rules={
                "never-used": RuleSetting(inactive=True),
                "stale": RuleSetting(severity=Severity.CRITICAL, options={"days": 30}),
                "too-many-active": RuleSetting(enabled=True),
            },
            overrides=(
                Override(
                    Selector(prefixes=("rt_test_*",), active=False),
                    {"stale": RuleSetting(enabled=False), "vague-name": RuleSetting(options={"pattern": "x+"})},
                    "Tests come and go.",
                ),
            ),
        ),
        waivers=(
            Waiver(
                Selector(ids=("api_1",), names=("Old *", "Older *")),
                ("stale", "expired"),
                "Until the migration ends.",
                "plattform@bücher.example",
                date(2027, 11, 24),
            ),
            Waiver(Selector(prefixes=("rt_live_ab*",)), ("*",), "r", "o", date(2020, 1, 1)),
        ),
        report=config.ReportSettings(
            formats=("json", "csv"),
            output_dir=Path("/srv/reports"),
            timezone=ZoneInfo("Europe/Berlin"),
            templates=Path("own"),
            keep=0,
            fail_on=None,
        ),
    )


def test_every_severity_can_be_named() -> None:
    assert get_args(SeverityWord) == tuple(severity.label for severity in Severity)


def test_one_selector_and_one_rule_may_stand_without_brackets() -> None:
    waiver = load('[[waivers]]\nid = "a"\nrules = "stale"\nreason = "r"\nowner = "o"\nexpires = 2027-01-01').waivers[0]
    assert (waiver.selector, waiver.rules) == (Selector(ids=("a",)), ("stale",))


# ---------------------------------------------------------------- problems


WAIVER = '[[waivers]]\nid = "a"\nrules = "*"\nreason = "r"\nowner = "o"\nexpires = 2027-01-01\n'


_WORDS = [f"'{word}'" for word in ("*", *all_rules())]
RULE_WORDS = f"{', '.join(_WORDS[:-1])} or {_WORDS[-1]}"


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("[runtype]\ndeadlin = 3", 2, "runtype.deadlin: there is no such setting; did you mean deadline?"),
        ("[runtype]\nfail_on = 'low'", 2, "runtype.fail_on: there is no such setting; it belongs in [report]"),
        ("[histori]\nx = 1", 1, "histori: there is no such setting"),
        ("[raport]\nkeep = 1", 1, "raport: there is no such setting; did you mean report?"),
        ("[policy.rules.stael]", 1, "policy.rules.stael: there is no such setting; did you mean stale?"),
        ("policy.rules.never_used.enabled=true", 1, "policy.rules.never_used: there is no such setting; did you mean never-used?"),  # noqa: E501
        ("[policy.rules.unreadable-key]\ninactive = true", 2, "policy.rules.unreadable-key.inactive: there is no such setting"),  # noqa: E501
        ("runtype = 3", 1, "runtype: must be a table"),
        ("[[runtype]]", 1, "runtype: must be a table"),
        ("[runtype]\ndetails = 'of'", 2, "runtype.details: must be 'auto', 'on' or 'off'; did you mean off?"),
        ("[runtype]\ndetails = true", 2, "runtype.details: must be 'auto', 'on' or 'off'"),
        ("[runtype]\ndeadline = '120'", 2, "runtype.deadline: must be a number, without quotes"),
        ("[runtype]\ndeadline = true", 2, "runtype.deadline: must be a number"),
        ("[runtype]\ndeadline = 0", 2, "runtype.deadline: must be more than 0"),
        ("[runtype]\ndeadline = nan", 2, "runtype.deadline: must be a finite number"),
        ("[runtype]\nmax_body_mib = 1.5", 2, "runtype.max_body_mib: must be a whole number"),
        ("[runtype]\nmax_body_mib = 0", 2, "runtype.max_body_mib: must be at least 1"),
        ("[report]\nkeep = 100001", 2, "report.keep: must be at most 100000"),
        ("[runtype]\naccount = '../x'", 2, "runtype.account: must be 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit"),  # noqa: E501
        ("[runtype]\naccount = 7", 2, "runtype.account: must be text in quotes"),
        ("[runtype]\nbase_url = 'http://example.com'", 2, "runtype.base_url: base_url must begin with https://, or the token would travel in clear text; http:// is allowed only for this machine itself (127.0.0.1, [::1], localhost)"),  # noqa: E501
        ("[runtype]\ntoken = 'vault:x'", 2, "runtype.token: it must say where the secret is, as env:NAME, file:PATH or keyring:SERVICE/USER, and not be the secret itself"),  # noqa: E501
        ("[report]\noutput_dir = ''", 2, "report.output_dir: must be a path"),
        ('[report]\ntemplates = "a\\u0000b"', 2, "report.templates: must be a path"),
        ("[report]\nformats = 'html'", 2, "report.formats: must be a list in square brackets"),
        ("[report]\nformats = []", 2, "report.formats: must not be empty"),
        ("[report]\ntimezone = 'Mars/Base'", 2, "report.timezone: is no time zone of the IANA database"),
        ("[report]\ntimezone = 'Europe/Berln'", 2, "report.timezone: is no time zone of the IANA database; did you mean Europe/Berlin?"),  # noqa: E501
        ("[report]\nfail_on = 'hihg'", 2, "report.fail_on: must be 'info', 'low', 'medium', 'high', 'critical' or 'never'; did you mean high?"),  # noqa: E501
        ("[policy.rules.stale]\nenabled = 1", 2, "policy.rules.stale.enabled: must be true or false"),
        ("[policy.rules.stale]\ndays = 0", 2, "policy.rules.stale.days: must be at least 1"),
        ("[policy.rules.vague-name]\npattern = 'a('", 2, "policy.rules.vague-name.pattern: is no regular expression in RE2 syntax: missing )"),  # noqa: E501
        ("[policy.rules.vague-name]\npattern = '(?=a)'", 2, "policy.rules.vague-name.pattern: is no regular expression in RE2 syntax: invalid perl operator"),  # noqa: E501
        ("[[policy.overrides]]\nrules.stale.days = 3", 1, "policy.overrides[1]: selects no key; say which are meant with id, name, prefix, owner or active"),  # noqa: E501
        ("[[policy.overrides]]\nid = 'a'", 1, "policy.overrides[1].rules: is missing"),
        ("[[policy.overrides]]\nid = 'a'\nrules.stale = {}", 1, "policy.overrides[1]: changes nothing; say what with rules.<rule>.<setting>"),  # noqa: E501
        ("[[policy.overrides]]\nid = 'a'\nrules.count-mismatch.enabled = false", 3, "policy.overrides[1].rules.count-mismatch: this rule judges the account as a whole and knows no overrides; set it in [policy.rules.count-mismatch]"),  # noqa: E501
        ("[[policy.overrides]]\nid = []\nrules.stale.days = 3", 2, "policy.overrides[1].id: must not be empty"),
        (WAIVER.replace('id = "a"\n', ""), 1, "waivers[1]: selects no key; say which are meant with id, name or prefix"),  # noqa: E501
        (WAIVER + WAIVER.replace('owner = "o"\n', ""), 7, "waivers[2].owner: is missing"),
        (WAIVER.replace('"o"', '" "'), 5, "waivers[1].owner: must not be empty"),
        (WAIVER.replace('"r"', '"a\\u202eb"'), 4, "waivers[1].reason: holds an invisible or control character; write it as plain text"),  # noqa: E501
        (WAIVER.replace('"*"', '["stale", "nevr-used"]'), 3, f"waivers[1].rules[2]: must be {RULE_WORDS}; did you mean never-used?"),  # noqa: E501
        (WAIVER.replace('"*"', "[]"), 3, "waivers[1].rules: must not be empty"),
        (WAIVER + "active = true", 7, "waivers[1].active: there is no such setting"),
        (WAIVER.replace("2027-01-01", '"2027-01-01"'), 6, "waivers[1].expires: must be a date, such as 2027-06-30, without quotes"),  # noqa: E501
        (WAIVER.replace("2027-01-01", "2027-01-01T00:00:00Z"), 6, "waivers[1].expires: must be a date, such as 2027-06-30"),  # noqa: E501
        (WAIVER.replace("[[", "[").replace("]]", "]"), 1, "waivers: must be a list in square brackets; of tables, each begins with its name in double brackets, [[…]]"),  # noqa: E501
        ('"a b".c = 1', 1, '"a b": there is no such setting'),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_where_and_how_to_mend_it(text: str, line: int, sentence: str) -> None:
    assert problems("# a comment\n\n" + text) == [f"keyaudit.toml:{line + 2}: {sentence}"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file_then_the_environment() -> None:
    text = "[report]\nkeep = -1\n\n[policy]\nmax_waiver_days = true\n\n[runtype]\ndeadline = 'x'\n" + WAIVER.replace(
        "2027-01-01", "2031-01-01"
    )
    assert problems(text, KEYAUDIT_REPORT__FAIL_ON="perhaps", KEYAUDIT_REPORT__KEEPS="1") == [
        "keyaudit.toml:2: report.keep: must be at least 0",
        "keyaudit.toml:5: policy.max_waiver_days: must be a whole number",
        "keyaudit.toml:8: runtype.deadline: must be a number, without quotes",
        "keyaudit.toml:14: waivers[1].expires: lies 1500 days ahead, and policy.max_waiver_days allows 366",
        "environment variable KEYAUDIT_REPORT__FAIL_ON: must be 'info', 'low', 'medium', 'high', 'critical' or 'never'",
        "environment variable KEYAUDIT_REPORT__KEEPS: there is no such setting; did you mean KEYAUDIT_REPORT__KEEP?",
    ]


@pytest.mark.parametrize(
    ("limit", "days", "fits"), [(366, 366, True), (366, 367, False), (10, 10, True), (10, 11, False)]
)
def test_a_waiver_ends_within_the_days_that_the_policy_allows(limit: int, days: int, *, fits: bool) -> None:
    text = f"[policy]\nmax_waiver_days = {limit}\n" + WAIVER.replace("2027-01-01", f"{TODAY + timedelta(days)}")
    if fits:
        assert load(text).waivers[0].expires == TODAY + timedelta(days)
    else:
        assert problems(text) == [
            f"keyaudit.toml:8: waivers[1].expires: lies {days} days ahead, and policy.max_waiver_days allows {limit}"
        ]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("a = yes", 1, "no value can be read here; text needs quotes, and true and false are lower-case"),
        ("a = 1\na = 2\n", 2, "something here is defined a second time"),
        ("[a]\n[a]\n", 2, "this table is defined a second time"),
        ("a = {x = 1, x = 2}", 1, "something here is defined a second time"),
        ("a = {x = 1}\na.y = 2\n", 2, "this adds to a table that was closed where it was defined"),
        ("a = 'b' c", 1, "a new line is missing between two settings, or text lacks its quotes"),
        ("a b = 1", 1, "a setting needs an equals sign between its name and its value"),
        ("a = [1,\n2\n\n", 2, "a list lacks its closing bracket"),
        ("a = {b = 1", 1, "a table in braces lacks its closing brace"),
        ('a = "b', 1, "text lacks its closing quote"),
        ('a = "b\n', 1, "text holds a control character, or lacks its closing quote"),
        (r'a = "\d+"', 1, "a backslash in double quotes must be doubled; single quotes take it as it is"),
        ("a = 1 # \x01", 1, "a control character stands here"),
        ("a = 2026-02-30", 1, "this day or time does not exist"),
        ("[a", 1, "this is no TOML"),
        ("= 1", 1, "this is no TOML"),
        ("a = " + "9" * 5000, 1, "it holds a number with far too many digits"),
        ("a = " + "[" * 5000, 1, "lists or tables are nested too deeply"),
    ],
)
def test_a_syntax_error_says_where_it_is_and_why(text: str, line: int, sentence: str) -> None:
    (problem,) = problems(text)
    assert re.fullmatch(rf"keyaudit\.toml:{line}(:\d+)?: {re.escape(sentence)}\.", problem)


@pytest.mark.parametrize(
    "text",
    [
        f"[runtype]\ntoken = '{FAKE_TOKEN}'",
        f"[runtype]\ntoken = 'env:{FAKE_TOKEN}'",
        f"[runtype]\ntoken = ['{FAKE_TOKEN}']",
        f"[runtype]\ntoken = {FAKE_TOKEN}",
        f"[runtype]\ntoken = '{FAKE_TOKEN}",
        f"[runtype]\n{FAKE_TOKEN}",
        f"[runtype]\n{FAKE_TOKEN} = 1",
        f"[{FAKE_TOKEN}]\n[{FAKE_TOKEN}]",
        f"a = {{{FAKE_TOKEN} = 1, {FAKE_TOKEN} = 2}}",
        f"[runtype]\nbase_url = 'https://{FAKE_TOKEN}@example.com'",
        f"[runtype]\nbase_url = 'https://example.com?{FAKE_TOKEN}'",
        f"[runtype]\naccount = '{FAKE_TOKEN * 3}'",
        f"[runtype]\ndeadline = '{FAKE_TOKEN}'",
        f"[report]\nfail_on = '{FAKE_TOKEN}'",
        f"[report]\ntimezone = '{FAKE_TOKEN}'",
        f"[report]\nformats = ['{FAKE_TOKEN}']",
        f"[policy.rules.{FAKE_TOKEN}]\ndays = 1",
        f"[policy.rules.vague-name]\npattern = '({FAKE_TOKEN}'",
        f"waivers = '{FAKE_TOKEN}'",
    ],
)
def test_a_token_in_the_wrong_place_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    error = caught.value
    assert FAKE_TOKEN not in f"{error} {error!r} {error.details} {error.__cause__!r}"
    assert error.__cause__ is None
    assert re.match(r"keyaudit\.toml:\d", error.message)


@pytest.mark.parametrize("name", ["KEYAUDIT_RUNTYPE__TOKEN", "KEYAUDIT_RUNTYPE__DEADLINE", f"KEYAUDIT_X__{FAKE_TOKEN}"])
def test_a_token_in_the_wrong_variable_is_not_repeated(name: str) -> None:
    (line,) = problems(**{name: FAKE_TOKEN})
    assert line.startswith(f"environment variable {name.replace(FAKE_TOKEN, '***')}: ")
    assert FAKE_TOKEN not in line


def test_an_unknown_key_is_shown_in_its_visible_form() -> None:
    assert problems('"a\\u001b[31m\\u202e" = 1') == [
        'keyaudit.toml:1: "a⟨U+001B⟩[31m⟨U+202E⟩": there is no such setting'
    ]


# ---------------------------------------------------------------- the file itself


def test_a_file_in_another_encoding_is_refused_with_the_line() -> None:
    path = Path("latin.toml")
    path.write_bytes(b"# one\n# two\nx = '\xfc'\n")
    with pytest.raises(ConfigError, match=r"^latin\.toml:3: the file is not in UTF-8; save it in that encoding\.$"):
        config.load(path, {}, today=TODAY)


def test_a_byte_order_mark_and_dos_line_ends_do_no_harm() -> None:
    path = Path("dos.toml")
    path.write_bytes(b"\xef\xbb\xbf[report]\r\n# note\r\nkeep = 5\r\n")
    assert config.load(path, {}, today=TODAY).report.keep == 5
    path.write_bytes(b"\xef\xbb\xbf[report]\r\n# note\r\nkeep = 'x'\r\n")
    with pytest.raises(ConfigError, match=r"^dos\.toml:3: report\.keep:"):
        config.load(path, {}, today=TODAY)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing.toml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "it is no path that")],
)
def test_a_file_that_cannot_be_read_is_refused(path: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"^The config file .* cannot be read: {reason}"):
        config.load(Path(path), {}, today=TODAY)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        config.load(Path("/dev/zero"), {}, today=TODAY)


# ---------------------------------------------------------------- lines


NASTY = '''\
title = "a # b [ c" # [ {
[one] # ]
many = [ # [[
  "]", # ]
  ']',
  """
  ] "" \\""" '
  """, { x = "}", "y.z" = \'\'\'
  [\'\'\' },
]

"quoted ] key" = """"two more at the end"""""
'literal [ key' = \'\'\'\'\'two here\'\'\'\'\'
dotted . "key" . x = {}
[[list]]
[[list]]
n = 1
[list.inner]
deep = 2

[[list.inner2]]
[[list]]
last = 3'''


def test_lines_are_found_whatever_the_values_look_like() -> None:
    document = Document("x", NASTY, tomllib.loads(NASTY))
    assert {
        path: document.line(path)
        for path in [
            ("title",), ("one",), ("one", "many"), ("one", "many", 3), ("one", "many", 2, "x"), ("one", "quoted ] key"),
            ("one", "literal [ key"), ("one", "dotted", "key", "x"), ("list",), ("list", 0), ("list", 1),
            ("list", 1, "n"), ("list", 1, "inner"), ("list", 1, "inner", "deep"), ("list", 1, "inner2", 0),
            ("list", 2), ("list", 2, "last"), ("list", 2, "missing"), ("list", 9), (),
        ]
    } == {
        ("title",): 1, ("one",): 2, ("one", "many"): 3, ("one", "many", 3): 3, ("one", "many", 2, "x"): 3,
        ("one", "quoted ] key"): 12, ("one", "literal [ key"): 13, ("one", "dotted", "key", "x"): 14, ("list",): 15,
        ("list", 0): 15, ("list", 1): 16, ("list", 1, "n"): 17, ("list", 1, "inner"): 18,
        ("list", 1, "inner", "deep"): 19, ("list", 1, "inner2", 0): 21, ("list", 2): 22, ("list", 2, "last"): 23,
        ("list", 2, "missing"): 22, ("list", 9): 15, (): 1,
    }  # fmt: skip


STRINGS = st.text(st.sampled_from("ab\"'[]{}#=\n\\,. "), max_size=12)


@st.composite
def toml_value(draw: st.DrawFn) -> str:
    text = draw(STRINGS)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    inner = draw(st.sampled_from(["1", "true", "[]", "{}", "{a = '}'}", "1979-05-27T07:32:00Z"]))
    forms = [
        inner,
        '"' + escaped.replace("\n", "\\n") + '"',
        '"""' + escaped + '"""',
        f"[\n  {inner}, # ] [\n\n  {inner}\n]",
    ]
    if "'" not in text:
        forms += ["'''" + text + "'''", "'" + text.replace("\n", "") + "'"]
    return draw(st.sampled_from(forms))


@given(st.lists(st.tuples(st.sampled_from(["key", "table", "array", "comment", "blank"]), toml_value()), max_size=12))
def test_each_statement_is_found_on_its_own_line(statements: list[tuple[str, str]]) -> None:
    text, arrays = "", 0
    expected: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    for number, (kind, value) in enumerate(statements):
        line = text.count("\n") + 1
        match kind:
            case "key":
                expected[(*table, f"k{number}")] = line
                text += f"k{number} = {value} # [\n"
            case "table":
                table = (f"t{number}",)
                expected[table] = line
                text += f"[t{number}]\n"
            case "array":
                table = ("list", arrays)
                arrays += 1
                expected[table] = line
                text += "[[list]]\n"
            case "comment":
                text += "# [ ''' {\n"
            case _:
                text += "\n"
    document = Document("x", text, tomllib.loads(text))
    assert {path: document.line(path) for path in expected} == expected


# ---------------------------------------------------------------- the environment


def test_every_setting_outside_lists_can_come_from_the_environment() -> None:
    value = {bool: "true", int: "7", float: "7.5"}
    special = {
        "account": "acme",
        "base_url": "https://api.example.com",
        "token": "env:OTHER",
        "severity": "low",
        "timezone": "Asia/Tokyo",
        "fail_on": "low",
        "profile": "cis",
        "details": "off",
    }
    environ = {
        variable(path): special.get(path[-1]) or value.get(field.annotation, "text")  # type: ignore[arg-type]
        for path, field in scalars(config_file()).items()
    }
    settings = config.load(None, environ, today=TODAY)
    assert set(settings.variables) == set(environ)
    assert settings.account == "acme"
    assert settings.runtype == RuntypeSettings(
        "https://api.example.com", 7.5, 7.5, 7.5, 7 * 2**20, Path("text"), details="off"
    )
    assert settings.token == SecretRef("env", "OTHER")
    assert set(settings.policy.rules) == set(all_rules())
    assert settings.policy.rules["stale"] == RuleSetting(
        enabled=True, severity=Severity.LOW, inactive=True, options={"days": 7, "high_days": 7}
    )
    assert settings.report == config.ReportSettings(
        ("html", "markdown"), Path("text"), ZoneInfo("Asia/Tokyo"), Path("text"), 7, Severity.LOW, include_waived=True
    )


def test_the_environment_wins_over_the_file_key_by_key() -> None:
    settings = load(
        "[policy.rules.stale]\ndays = 30\nhigh_days = 60\n[report]\nkeep = 'wrong'",
        KEYAUDIT_POLICY__RULES__STALE__DAYS="20",
        KEYAUDIT_REPORT__KEEP="3",
    )
    assert settings.policy.rules == {"stale": RuleSetting(options={"days": 20, "high_days": 60})}
    assert settings.report.keep == 3
    assert settings.variables == ("KEYAUDIT_POLICY__RULES__STALE__DAYS", "KEYAUDIT_REPORT__KEEP")


OURS = ("KEYAUDIT_RUNTYPE__BASE_URL",)


@pytest.mark.parametrize(
    ("ours", "in_file", "runtypes", "expected", "variables"),
    [
        ("", "", "https://r.example", "https://r.example", ("RUNTYPE_BASE_URL",)),
        ("", "https://f.example", "https://r.example", "https://f.example", ()),
        ("https://o.example", "https://f.example", "https://r.example", "https://o.example", OURS),
        ("https://o.example", "", "https://r.example", "https://o.example", OURS),
        ("", "", "", "https://api.runtype.com", ()),
    ],
)  # fmt: skip
def test_the_more_specific_base_url_wins(
    ours: str, in_file: str, runtypes: str, expected: str, variables: tuple[str, ...]
) -> None:
    text = f"[runtype]\nbase_url = '{in_file}'" if in_file else ""
    settings = load(text, KEYAUDIT_RUNTYPE__BASE_URL=ours, RUNTYPE_BASE_URL=runtypes)
    assert (settings.runtype.base_url, settings.variables) == (expected, variables)


def test_a_wrong_runtype_base_url_is_told_by_the_name_of_the_variable() -> None:
    (line,) = problems(RUNTYPE_BASE_URL="ftp://x")
    assert line.startswith("environment variable RUNTYPE_BASE_URL: base_url is no address like")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("no", False), ("1", True), ("OFF", False)])
def test_truth_values_have_their_usual_words(text: str, *, value: bool) -> None:
    settings = load(KEYAUDIT_POLICY__RULES__STALE__ENABLED=text)
    assert settings.policy.rules["stale"].enabled is value


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("KEYAUDIT_REPORT__KEEEP", "there is no such setting; did you mean KEYAUDIT_REPORT__KEEP?"),
        ("KEYAUDIT_HISTORY__URL", "there is no such setting"),
        ("KEYAUDIT_WAIVERS__0__REASON", "only the config file can give a list"),
        ("KEYAUDIT_REPORT__FORMATS", "only the config file can give a list"),
        ("KEYAUDIT_POLICY__RULES__STALE__ENABLED", "must be true or false"),
        ("KEYAUDIT_POLICY__RULES__STALE__DAYS", "must be a whole number"),
        ("KEYAUDIT_RUNTYPE__DEADLINE", "must be a number"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(name: str, sentence: str) -> None:
    assert problems(**{name: "perhaps"}) == [f"environment variable {name}: {sentence}"]


def test_variables_that_are_no_settings_are_left_alone() -> None:
    environ = {
        "KEYAUDIT_CONFIG": "x",
        "KEYAUDIT_SERVICE_HOST": "10.0.0.1",
        "KEYAUDIT_PORT_80_TCP": "x",
        "OTHER__X": "y",
    }
    assert load(**environ).variables == ()


def test_a_setting_below_what_is_no_table_leaves_the_file_to_blame() -> None:
    assert problems("report = 3", KEYAUDIT_REPORT__KEEP="1") == ["keyaudit.toml:1: report: must be a table"]


# ---------------------------------------------------------------- the search


def test_the_first_place_with_a_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setattr("keyaudit.config.source._SYSTEM", tmp_path / "etc" / "config.toml")
    cwd = tmp_path / "work"
    named, local, system = tmp_path / "named.toml", cwd / "keyaudit.toml", tmp_path / "etc" / "config.toml"
    user = tmp_path / "user" / "keyaudit" / "config.toml"
    environ = {"KEYAUDIT_CONFIG": str(named)}
    assert config.find({}, cwd) is None
    for path in (system, user, local):
        path.parent.mkdir(parents=True)
        path.touch()
        assert config.find({}, cwd) == path
    named.touch()
    assert config.search(environ, cwd) == config.Search(
        (
            config.Place("KEYAUDIT_CONFIG", named, exists=True),
            config.Place("the working directory", local, exists=True),
            config.Place("the user's config directory", user, exists=True),
            config.Place("the system's config directory", system, exists=True),
        )
    )
    assert config.find(environ, cwd) == named
    assert config.find({"KEYAUDIT_CONFIG": "../named.toml"}, cwd) == cwd / "../named.toml"
    assert config.find({"KEYAUDIT_CONFIG": ""}, cwd) == local


def test_a_named_file_that_is_missing_is_no_reason_to_take_another(tmp_path: Path) -> None:
    (tmp_path / "keyaudit.toml").touch()
    with pytest.raises(ConfigError, match=r"^KEYAUDIT_CONFIG names .*nowhere\.toml, which does not exist\.$"):
        config.find({"KEYAUDIT_CONFIG": "nowhere.toml"}, tmp_path)


# ---------------------------------------------------------------- what is made from the settings


def every_setting(model: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The paths of all settings, those in tables of lists included, as the models have them."""
    found = set()
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        inner = (get_args(field.annotation) or (field.annotation,))[0]
        if hasattr(inner, "model_fields") and path[-1:] != ("overrides",):
            found |= every_setting(inner, here)
        else:
            found.add(here)
    return found


def uncommented(text: str) -> str:
    return re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE)


def paths_of(tree: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return paths_of(tree[0], path)
    if not isinstance(tree, dict) or path == ("policy", "overrides", "rules"):
        return {path}
    return set().union(*(paths_of(value, (*path, key)) for key, value in tree.items()))


def test_the_example_changes_nothing_as_it_stands() -> None:
    assert load(example("x")) == config.Config(
        **{**vars(config.load(None, {}, today=TODAY)), "source": Path("keyaudit.toml")}
    )


def test_the_example_has_every_setting_and_is_right_with_all_of_them() -> None:
    text = uncommented(example("x"))
    settings = load(text)
    assert every_setting(config_file()) == paths_of(tomllib.loads(text))
    assert (len(settings.policy.overrides), len(settings.waivers)) == (1, 1)
    assert set(settings.policy.rules) == set(all_rules())


def test_the_example_shows_the_defaults() -> None:
    tree = tomllib.loads(uncommented(example("x")))
    examples = {"severity", "ca_file", "templates"}
    for path, field in scalars(config_file()).items():
        value = tree
        for key in path:
            value = value[key]
        if path[-1] not in examples:
            assert (path, value) == (path, field.default)


def test_the_init_text_leads_editors_to_the_installed_schema() -> None:
    first, _, rest = config.init_text().partition("\n")
    assert first == f"#:schema {schema_file().as_uri()}"
    assert rest == example("x").partition("\n")[2]
    assert schema_file().is_file()


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_what_is_generated_is_up_to_date(name: str) -> None:
    made = GENERATED[name]
    assert (CHECKOUT / made.file).read_text(encoding="utf-8") == made.text(), "run: make docs"


def test_what_is_generated_can_be_printed() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "keyaudit.config", "reference"], check=True, capture_output=True, env=os.environ
    )
    assert run.stdout.decode() == reference()


@pytest.mark.parametrize("prepare", [str, uncommented])
def test_the_schema_accepts_the_example(prepare: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    tree = tomllib.loads(prepare(example("x")))
    for waiver in tree.get("waivers", []):
        waiver["expires"] = str(waiver["expires"])
    jsonschema.Draft202012Validator(schema()).validate(tree)


@pytest.mark.parametrize(
    "tree",
    [
        {"histori": {}},
        {"runtype": {"token": FAKE_TOKEN}},
        {"runtype": {"account": "../x"}},
        {"runtype": {"ca_file": None}},
        {"report": {"formats": []}},
        {"report": {"formats": ["htm"]}},
        {"policy": {"rules": {"stale": {"days": 0}}}},
        {"policy": {"overrides": [{"id": "a", "rules": {"count-mismatch": {"enabled": False}}}]}},
        {"policy": {"overrides": [{"rules": {"stale": {"days": 3}}}]}},
        {"waivers": [{"id": [], "rules": "*", "reason": "r", "owner": "o", "expires": "2027-01-01"}]},
    ],
)
def test_the_schema_refuses_what_loading_refuses(tree: Any) -> None:
    assert not jsonschema.Draft202012Validator(schema()).is_valid(tree)


def test_the_page_names_every_setting() -> None:
    page = reference()
    for path in every_setting(config_file()):
        many = path[:1] == ("waivers",) or path[:2] == ("policy", "overrides")
        table = ".".join(path[:-1])
        heading = f"### `[[{table}]]`" if many else f"### `[{table}]`"
        section = page.partition(heading + "\n")[2].partition("\n### ")[0]
        assert f"| `{path[-1]}` |" in section


# ---------------------------------------------------------------- cost


def test_importing_the_config_leaves_the_heavy_libraries_alone() -> None:
    heavy = {"pandas", "pyarrow", "numpy", "httpx", "jinja2", "rich"}
    code = f"import sys, keyaudit.config; print(sorted({heavy!r} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ)
    assert run.stdout == "[]\n"
