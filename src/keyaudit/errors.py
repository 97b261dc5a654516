"""What can go wrong, as one tree; each leaf knows the exit code it ends the command with.

::

    KeyauditError
    ├── UsageError            2   the command line asks for something that makes no sense
    ├── ConfigError           2   the config file, a setting or a secret reference is wrong
    └── CouldNotAudit         3   no audit took place; never to be taken for clean or for findings
        ├── FetchError            the API could not be reached, refused us, or ran out of time
        ├── UnreadableAnswer      what came is no analytics document
        ├── RuleCrashed           a rule raised; an audit without it would look cleaner than it is
        └── ReportNotWritten      a report could not be rendered or written

A message is one or two sentences for the person who runs the command: what is wrong, where, and how
to mend it. It never holds a secret value. ``details`` holds what ``--debug`` may add, already redacted.
"""

from __future__ import annotations

from typing import ClassVar


class KeyauditError(Exception):
    """Base of every error that keyaudit raises on purpose."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class UsageError(KeyauditError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class ConfigError(KeyauditError):
    """The config file, a setting or a secret reference is wrong."""

    exit_code = 2


class CouldNotAudit(KeyauditError):
    """No audit took place."""


class FetchError(CouldNotAudit):
    """The API could not be reached, refused the request, or did not answer in time."""


class UnreadableAnswer(CouldNotAudit):
    """An answer came, and it is not the document that was asked for."""


class RuleCrashed(CouldNotAudit):
    """A rule raised an exception."""


class ReportNotWritten(CouldNotAudit):
    """A report could not be rendered or written."""
