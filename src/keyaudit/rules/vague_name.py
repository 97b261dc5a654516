"""Keys whose name says nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from keyaudit.columns import to_arrow
from keyaudit.model import Severity
from keyaudit.rules import Context, KeyHits, Rule, option
from keyaudit.standards import CIS_INVENTORY, RUNTYPE_NAMES

GENERIC = (
    "my|our|the|a|an|this|new|another|api|key|keys|apikey|token|secret|credential|credentials|test|tests|testing|testkey|"
    "temp|tmp|temporary|default|untitled|unnamed|noname|name|foo|bar|baz|foobar|asdf|qwerty|abc|xyz|xxx|copy|of|"
    "example|sample|demo|thing|something|stuff|misc|todo"
)
PATTERN = rf"(?i)[\s\-_#.()]*((({GENERIC})[0-9]*|v?[0-9]+)([\s\-_#.()]+|$))*"


@dataclass(frozen=True)
class VagueNameOptions:
    """Which names are vague."""

    pattern: str = option(PATTERN, "regular expression (RE2); a name that it matches as a whole is vague", pattern=True)


class VagueName(Rule[VagueNameOptions]):
    name = "vague-name"
    title = "Name says nothing"
    severity = Severity.INFO
    rationale = (
        "Whoever must decide in a hurry whether a key may be revoked has its name to go by. “Key 1” and “test” leave "
        "that person with a guess."
    )
    remediation = "Rename the key so that the name says who uses it and for what, such as “Production deploy script”."
    references = (CIS_INVENTORY, RUNTYPE_NAMES)
    Options = VagueNameOptions

    def check(self, context: Context[VagueNameOptions]) -> Iterable[KeyHits]:
        names = to_arrow(context.snapshot.keys["name"])
        vague = pc.match_substring_regex(names, rf"\A(?:{context.options.pattern})\z")
        rows = np.flatnonzero(context.where & vague.to_numpy(zero_copy_only=False))
        yield KeyHits(rows, self.severity, "the name consists of nothing but generic words and numbers")
