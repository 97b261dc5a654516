"""Templates of the user's own: what they may replace, what they may not reach, how their mistakes are told."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from keyaudit.errors import ReportNotWritten
from keyaudit.model import AuditResult
from keyaudit.render import RenderSettings, _templates
from keyaudit.render._templates import environment, fill, folder, source
from keyaudit.render.html import Html


def rendered(result: AuditResult, directory: Path) -> str:
    return b"".join(Html().render(result, RenderSettings(templates=directory))).decode()


def told(result: AuditResult, directory: Path, template: str | bytes) -> str:
    """The message when *template* replaces the page."""
    raw = template if isinstance(template, bytes) else template.encode()
    (directory / "report.html.j2").write_bytes(raw)
    with pytest.raises(ReportNotWritten) as caught:
        rendered(result, directory)
    assert caught.value.message.endswith("Mend it, or take it out of the template directory to use keyaudit's own.")
    return caught.value.message


# ---------------------------------------------------------------- what may be replaced


def test_an_empty_directory_changes_nothing(sample: AuditResult, tmp_path: Path) -> None:
    assert b"".join(Html().render(sample, RenderSettings())).decode() == rendered(sample, tmp_path)


def test_replaces_a_template_by_name_escaped(sample: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "report.html.j2").write_text("<p>{{ first[0].rows[0].finding.key_name }} {{ '<b>' }} {{ account }}</p>")
    assert "<p>Staging Key &lt;b&gt; default</p>" == rendered(sample, tmp_path)


def test_builds_on_ours(sample: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "report.html.j2").write_text(
        '{% extends "keyaudit/report.html.j2" %}{% block changes %}<p>Our own words</p>{% endblock %}'
    )
    page = rendered(sample, tmp_path)
    assert "<p>Our own words</p>" in page
    assert "default:stale:" in page


def test_replaces_the_style_alone(sample: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "report.css").write_text("body { color: {{ red }} }")
    assert "<style>body { color: {{ red }} }</style>" in rendered(sample, tmp_path)


def test_escapes_html_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.html.j2", "a.md.j2"):
        (tmp_path / name).write_text("{{ text }}\n")
    jinja = environment(RenderSettings(templates=tmp_path))
    assert b"&lt;b&gt;\n" == fill(jinja, "a.html.j2", {"text": "<b>"})
    assert b"<b>\n" == fill(jinja, "a.md.j2", {"text": "<b>"})


# ---------------------------------------------------------------- what may not be reached


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ verdict.__init__.__globals__ }}",
        "{{ count.__globals__ }}",
        "{{ counts|attr('__class__') }}",
        "{{ '{0.__class__}'.format(counts) }}",
        "{{ rules[0].options.update({'days': '1'}) }}",
        "{{ siblings.append('x') }}",
        "{{ frame.to_csv('stolen.csv') }}",
        "{{ frame['a'].to_pickle('stolen') }}",
        "{{ [frame]|map(attribute='to_csv')|map('string')|join }}",
    ],
)
def test_the_sandbox_holds(escape: str, tmp_path: Path) -> None:
    import pandas as pd

    (tmp_path / "t.md.j2").write_text(f"\n{escape}")
    context = {
        "count": len,
        "counts": (1, 2),
        "verdict": ReportNotWritten("x"),
        "rules": [type("Rule", (), {"options": {"days": "45"}, "__module__": "keyaudit.model"})()],
        "siblings": [],
        "frame": pd.DataFrame({"a": [1]}),
    }
    with pytest.raises(
        ReportNotWritten, match=r"^Template t\.md\.j2, line 2, (does what the sandbox|uses what it was)"
    ):
        fill(environment(RenderSettings(templates=tmp_path)), "t.md.j2", context)
    assert [] == list(Path.cwd().glob("stolen*"))


def test_no_file_outside_is_included(sample: AuditResult, tmp_path: Path) -> None:
    inside = tmp_path / "templates"
    inside.mkdir()
    (tmp_path / "secret").write_text("hush")
    message = told(sample, inside, "\n\n{% include '../secret' %}")
    assert message.startswith("Template report.html.j2, line 3, needs a template that is not there.")


# ---------------------------------------------------------------- how mistakes are told


def test_missing_directory(sample: AuditResult, tmp_path: Path) -> None:
    with pytest.raises(ReportNotWritten, match=r"The template directory .*gone is not there") as caught:
        rendered(sample, tmp_path / "gone")
    assert "[report]" in caught.value.message


@pytest.mark.parametrize(
    ("template", "beginning"),
    [
        ("\n{% if %}", "Template report.html.j2, line 2, is not valid Jinja: Expected an expression"),
        ("\n\n{{ nonsense }}", "Template report.html.j2, line 3, uses what it was not given: 'nonsense' is undefined."),
        ("{{ counts.tokens }}", "Template report.html.j2, line 1, uses what it was not given: 'keyaudit.model.Counts"),
        ("{{ {}[rules[0].title] }}", "Template report.html.j2, line 1, uses what it was not given. "),
        ("{{ 1 / 0 }}", "Template report.html.j2, line 1, fails with ZeroDivisionError. "),
        ("{{ range(999999) }}", "Template report.html.j2, line 1, fails with OverflowError. "),
        (b"\xff", "Template report.html.j2 is not UTF-8 throughout. "),
    ],
)
def test_mistakes(sample: AuditResult, tmp_path: Path, template: str | bytes, beginning: str) -> None:
    message = told(sample, tmp_path, template)
    assert message.startswith(beginning)
    assert sample.rules[0].title not in message


def test_a_mistake_in_a_part_names_the_part(sample: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "_policy.html.j2").write_text("\n\n\n{{ typo }}")
    with pytest.raises(ReportNotWritten, match=r"^Template _policy\.html\.j2, line 4, uses what"):
        rendered(sample, tmp_path)


def test_style_that_is_no_text(sample: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "report.css").write_bytes(b"\xff\xfe")
    with pytest.raises(ReportNotWritten, match=r"^Template report\.css is not UTF-8 throughout"):
        rendered(sample, tmp_path)


def test_missing_style() -> None:
    with pytest.raises(ReportNotWritten, match=r"^Template gone\.css is not there"):
        source(environment(RenderSettings()), "gone.css")


# ---------------------------------------------------------------- where ours lie


def test_the_packaged_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "src" / "keyaudit" / "render" / "_templates.py"
    monkeypatch.setattr(_templates, "__file__", str(module))
    assert tmp_path / "reports" / "templates" == folder()
    packaged = module.parents[1] / "templates"
    packaged.mkdir(parents=True)
    assert packaged == folder()


def test_our_own_templates_need_no_sandbox() -> None:
    assert jinja2.Environment is type(environment(RenderSettings()))
