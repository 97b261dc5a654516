"""Keys whose name tells no owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyaudit.columns import to_arrow
from keyaudit.errors import ConfigError
from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, Rule, option
from keyaudit.standards import CIS_INVENTORY, NIST_DISABLE, RUNTYPE_NAMES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class OwnerlessNameOptions:
    """How a name tells owner and purpose."""

    pattern: str = option(
        r"(?P<owner>[^/]+)/(?P<purpose>.+)",
        "regular expression (RE2) with the named groups owner and purpose that names must match as a whole",
        pattern=True,
    )


class OwnerlessName(Rule[OwnerlessNameOptions]):
    name = "ownerless-name"
    title = "Name tells no owner"
    severity = Severity.LOW
    rationale = (
        "A key that nobody owns is a key that nobody rotates, watches or revokes. A name such as “billing/nightly "
        "export” tells whom to ask and what for."
    )
    remediation = "Rename the key to the agreed form, with the team that answers for it and the purpose."
    references = (CIS_INVENTORY, NIST_DISABLE, RUNTYPE_NAMES)
    enabled = False
    Options = OwnerlessNameOptions

    def check(self, context: Context[OwnerlessNameOptions]) -> Iterable[KeyHits]:
        unmatched = pc.is_null(_groups(context.snapshot.keys["name"], context.options.pattern))
        rows = np.flatnonzero(context.where & unmatched.to_numpy(zero_copy_only=False))
        yield KeyHits(rows, self.severity, "the name does not have the form that tells owner and purpose")

    def owners(self, keys: pd.DataFrame, options: OwnerlessNameOptions) -> pa.Array:
        owners = pc.struct_field(_groups(keys["name"], options.pattern), "owner")
        return pc.fill_null(pc.utf8_trim_whitespace(owners), "")


def _groups(names: pd.Series[str], pattern: str) -> pa.Array:
    try:
        matched = pc.extract_regex(to_arrow(names), rf"\A(?:{pattern})\z")
    except pa.ArrowInvalid:  # a group without a name
        matched = pa.array([], pa.struct([]))
    if {"owner", "purpose"} != {field.name for field in matched.type}:
        raise ConfigError(
            "[policy.rules.ownerless-name] pattern must have just the named groups owner and purpose: "
            "(?P<owner>…) and (?P<purpose>…); write (?:…) for any other."
        )
    return matched
