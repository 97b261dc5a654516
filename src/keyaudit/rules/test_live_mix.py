"""Keys whose environment and name contradict each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyaudit.columns import to_arrow
from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, Rule, option
from keyaudit.standards import ENVIRONMENTS, RUNTYPE_TESTING

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TestLiveMixOptions:
    """Which names tell an environment."""

    __test__ = False  # not for pytest to collect

    production: str = option(
        r"(?i)(^|[^a-z])(prod|production|live)([^a-z]|$)",
        "regular expression (RE2); a name in which it is found says production",
        pattern=True,
    )
    test: str = option(
        r"(?i)(^|[^a-z])(test|tests|testing|sandbox)([^a-z]|$)",
        "regular expression (RE2); a name in which it is found says test",
        pattern=True,
    )


class TestLiveMix(Rule[TestLiveMixOptions]):
    __test__ = False  # not for pytest to collect

    name = "test-live-mix"
    title = "Test and production mixed up"
    severity = Severity.MEDIUM
    rationale = (
        "A production key that goes by the name of a test key is handled as carelessly as one, and a test key in "
        "production fails on the day that matters."
    )
    remediation = (
        "Rename the key if only its name is wrong; else give the job a key of its own environment and revoke this one."
    )
    references = (ENVIRONMENTS, RUNTYPE_TESTING)
    needs_details = True
    Options = TestLiveMixOptions

    def check(self, context: Context[TestLiveMixOptions]) -> Iterable[KeyHits]:
        keys = context.snapshot.keys
        names, prefixes = to_arrow(keys["name"]), to_arrow(keys["prefix"])
        is_test = keys["is_test"]
        says_production = _found(names, context.options.production)
        says_test = _found(names, context.options.test)
        for key_is_test, by_name, mark, is_what, says in (
            (True, says_production & ~says_test, "_live_", "a test key", "production"),
            (False, says_test & ~says_production, "_test_", "a production key", "test"),
        ):
            mixed = context.where & is_test.eq(key_is_test).fillna(value=False).to_numpy(dtype=bool)
            by_prefix = pc.match_substring(prefixes, mark).to_numpy(zero_copy_only=False)
            for says_so, what in ((by_name, "name"), (by_prefix & ~by_name, "prefix")):
                yield KeyHits(np.flatnonzero(mixed & says_so), self.severity, f"{is_what} whose {what} says {says}")


def _found(names: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(names, pattern).to_numpy(zero_copy_only=False)
    return found
