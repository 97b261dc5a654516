"""Active keys that look like the old and the new half of a rotation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyaudit.columns import to_arrow
from keyaudit.model import Reference, Severity
from keyaudit.rules import Context, KeyHits, NoOptions, Rule
from keyaudit.wording import sentence


class TwinName(Rule[NoOptions]):
    name = "twin-name"
    title = "Active keys with the same name"
    severity = Severity.LOW
    rationale = (
        "Two active keys whose names differ only in case, spaces or a trailing number are mostly the old and the new "
        "key of a rotation that was never finished: the old one still opens the door."
    )
    remediation = "Find out which of the twins is in use, move what remains over to it and revoke the other."
    references = (Reference("Runtype user guide: one key per use; create the new key, move over, revoke the old one"),)

    def check(self, context: Context[NoOptions]) -> Iterable[KeyHits]:
        keys = context.snapshot.keys
        # a key under an override of its own is still the twin of one without
        pool = np.flatnonzero(context.where | keys["is_active"].to_numpy())
        stems = _stems(to_arrow(keys["name"]).take(pa.array(pool))).dictionary_encode()
        codes = stems.indices.to_numpy(zero_copy_only=False)
        sizes = np.bincount(codes, minlength=len(stems.dictionary))
        nothing_left = stems.dictionary.index("").as_py()
        if nothing_left >= 0:
            sizes[nothing_left] = 1
        others = sizes[codes] - 1
        twins = (others >= 1) & context.where[pool]
        number = pa.array(others[twins])
        yield KeyHits(
            pool[twins],
            self.severity,
            sentence(
                number,
                pc.if_else(pc.equal(number, 1), " other active key has", " other active keys have"),
                " the same name but for case, spaces or a trailing number",
            ),
        )


def _stems(names: pa.Array) -> pa.Array:
    folded = pc.replace_substring_regex(pc.utf8_lower(names), r"\s+", "")
    return pc.replace_substring_regex(folded, r"[-_.#(]*[0-9]+[)]?$", "")
