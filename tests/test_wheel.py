"""What people install: the built wheel, alone with its declared dependencies, away from the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.xdist_group("wheel")  # built and installed once

KEYS = [
    {"id": "1", "name": "Deploy", "keyPrefix": "rt_live_ab12", "isActive": True, "lastUsedAt": "2024-01-01T00:00:00Z"},
    {"id": "2", "name": "Retired", "keyPrefix": "rt_live_cd34", "isActive": False, "lastUsedAt": None},
]
ANSWER = {
    "analytics": {"totalKeys": 2, "activeKeys": 1, "expiredKeys": 1, "keyBreakdown": KEYS},
    "timestamp": "2024-02-20T00:00:00Z",
}


def build(source: Path, kind: str, into: Path) -> Path:
    """The one *kind* (``wheel`` or ``sdist``) that hatchling makes of *source*."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(into)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == built.returncode, built.stderr
    (path,) = into.iterdir()
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the unpacked sdist: what is missing there cannot come from the checkout."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    return build(next(unpacked.iterdir()), "wheel", tmp_path_factory.mktemp("wheel"))


def dependencies(wanted: Iterable[str], extra: str = "", seen: set[tuple[str, str]] | None = None) -> set[str]:
    """The names of all distributions that the requirements *wanted* bring along, each with its own *extra*."""
    seen = set() if seen is None else seen
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            for pair in {(requirement.name, each) for each in ("", *requirement.extras)} - seen:
                seen.add(pair)
                dependencies(distribution(requirement.name).requires or (), pair[1], seen)
    return {name for name, _ in seen}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts directory of an environment that holds the wheel and the dependencies it declares, and nothing else.

    The dependencies are links to what is installed here, as the tests have no network to fetch them from; a
    library that only the tests need is not there.
    """
    environment = tmp_path_factory.mktemp("installed")
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([*command, "--quiet", "--disable-pip-version-check"], timeout=60, check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (keyaudit,) = (Distribution.at(path) for path in site.glob("keyaudit-*.dist-info"))
    for needed in map(distribution, dependencies(keyaudit.requires or ())):
        for top in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__", "bin"}:
            link = site / top
            if not link.exists():
                link.symlink_to(Path(str(needed.locate_file(top))).resolve())
    return environment / "bin"


def run(command: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """*command* as a newcomer runs it: in the empty directory that the test starts in."""
    return subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60, check=False)


def formats(python: Path) -> dict[str, str]:
    """Names and suffixes of the formats that the installed keyaudit has."""
    ask = "import json, keyaudit.render as r; print(json.dumps({f.name: f.suffix for f in r.all_formats().values()}))"
    found: dict[str, str] = json.loads(run(python, "-I", "-c", ask).stdout)
    return found


def test_sdist_and_checkout_give_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    from_checkout = build(ROOT, "wheel", tmp_path / "dist")
    names = [sorted(zipfile.ZipFile(path).namelist()) for path in (from_checkout, wheel)]
    assert names[0] == names[1]


def test_wheel_holds_the_package_and_its_templates_only(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "keyaudit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    templates = {f"keyaudit/templates/{path.name}" for path in (ROOT / "reports" / "templates").iterdir()}
    assert package | templates == {name for name in names if ".dist-info/" not in name}


def test_installed_alone(installed: Path) -> None:
    origin = run(installed / "python", "-I", "-c", "import keyaudit; print(keyaudit.__file__)").stdout
    foreign = run(installed / "python", "-I", "-c", "import pytest")
    assert (True, 1) == (Path(origin).is_relative_to(installed.parent), foreign.returncode)


def test_audit_writes_every_format(installed: Path) -> None:
    found = formats(installed / "python")
    Path("answer.json").write_text(json.dumps(ANSWER))
    audit = run(installed / "keyaudit", "audit", "--from", "answer.json", "-f", ",".join(found), "-o", "out")
    assert 0 == audit.returncode, audit.stderr
    written = {path.name for path in Path("out").iterdir() if path.stat().st_size}
    assert {"html", "markdown", "json", "csv"} <= found.keys()
    assert {f"default-latest.{suffix}" for suffix in found.values()} <= written


def test_demo_writes_its_reports(installed: Path) -> None:
    demo = run(installed / "keyaudit", "demo")
    assert 0 == demo.returncode, demo.stderr
    (page,) = Path.cwd().rglob("*-latest.html")
    assert page.name in demo.stdout + demo.stderr


def test_version_is_that_of_the_project(installed: Path) -> None:
    assert distribution("keyaudit").version in run(installed / "keyaudit", "--version").stdout
