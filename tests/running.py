"""The command line, called within the test's own process."""

from __future__ import annotations

import pytest

from keyaudit.cli import main


class Run:
    """One call of the command: its exit code, and what it printed."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        self.out, self.err = self._capfd.readouterr()
        return int(ended.value.code or 0)
