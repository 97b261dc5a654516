"""Text from outside: its visible form, the stand-ins for what UTF-8 cannot hold, and globs.

Pure and free of heavy imports; pyarrow and pandas are imported by :func:`visible_column` alone.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 255
"""The longest name that Runtype documents, in characters."""

_SURROGATES = range(0xD800, 0xE000)
_STAND_INS = range(0x10F800, 0x110000)

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}

# Letters, marks and symbols by category that are drawn as nothing: the rest of Default_Ignorable_Code_Point,
# and the blank braille cell, the musical null notehead and the Khitan filler.
_BLANK = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x16FE4, 0x1D159}
    | {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)

# Characters that are visible, stand alone, have one spelling only, and have been assigned for so long that Python's
# Unicode tables and RE2's cannot disagree on them. It need not be complete: what lies outside is looked at one by one.
_PLAIN = (
    "\u0020-\u007e\u00a1-\u00ac\u00ae-\u02ff\u0391-\u03a1\u03a3-\u03ff\u0400-\u0482\u048a-\u052f\u05d0-\u05ea"
    "\u0620-\u064a\u0904-\u0939\u093d\u0950\u0960-\u0961\u0964-\u097f\u0e01-\u0e30\u0e32-\u0e33\u0e3f-\u0e46"
    "\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u2328\u232b-\u23fe\u2500-\u27bf\u3001-\u3029"
    "\u3041-\u3096\u30a0-\u30ff\u4e00-\u9fef\uac00-\ud7a3\uff01-\uff9f\U0001f300-\U0001f6c5\U0001f900-\U0001f9ff"
)
# Marks as old as these that neither merge with a letter nor change places with another mark: plain wherever they
# have something to sit on.
_MARKS = "\u0900-\u0903\u093a-\u093b\u093e-\u094f\u0962-\u0963\u0e31\u0e34-\u0e37\u0e47-\u0e4e"
_MARKS_STACKED = 3
_SUSPICIOUS = f"[^{_PLAIN}{_MARKS}]|(^| )[{_MARKS}]|[{_MARKS}]{{{_MARKS_STACKED + 1}}}|^$|^ | $|  "

_SPACE_OUT_OF_PLACE = re.compile(r"^ | $|(?<= ) ")


def stand_in(surrogate: int) -> str:
    """The private-use character that stands for the lone *surrogate* (U+D800 to U+DFFF) in valid UTF-8.

    :func:`visible` shows it as the surrogate that it stands for.
    """
    return chr(_STAND_INS[_SURROGATES.index(surrogate)])


def visible(s: str, limit: int = LIMIT) -> str:
    """The visible form of *s*: inert, on one line, and different for different texts.

    Ordinary text in any script is unchanged. Whatever is invisible, controls the layout or could be mistaken for
    something else is spelt ``⟨U+XXXX⟩``: controls, formats, private and unassigned code points, every space but
    single plain ones between other characters, a character that Unicode holds for the same as another, combining
    marks with nothing to sit on, behind three others or where the text is not composed (NFC), and the bracket ``⟨``
    itself. Empty text is ``⟨empty⟩``. Of a longer text the first *limit* characters are shown, followed by the
    number of those left out and the start of the SHA-256 of the whole.
    """
    if not s:
        return "⟨empty⟩"
    head = s[:limit]
    composed = unicodedata.is_normalized("NFC", head)
    forms: list[str] = []
    marks = 0
    for character in head:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        alone = not forms or len(forms[-1]) > 1 or forms[-1] == " "
        loose = marks > 0 and (alone or not composed or marks > _MARKS_STACKED)
        forms.append(_form(character, loose))
    shown = _SPACE_OUT_OF_PLACE.sub("⟨U+0020⟩", "".join(forms))
    if len(s) <= limit:
        return shown
    digest = hashlib.sha256(s.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{shown}⟨… {len(s) - limit:,} more characters, SHA-256 {digest}⟩"


@lru_cache(maxsize=1 << 14)
def _form(character: str, loose: bool) -> str:
    point = ord(character)
    hidden = (
        loose
        or unicodedata.category(character) in _HIDDEN
        or point in _BLANK
        or character == "⟨"
        or not unicodedata.is_normalized("NFC", character)
    )
    if not hidden or character == " ":
        return character
    if point in _STAND_INS:
        point = _SURROGATES[_STAND_INS.index(point)]
    return f"⟨U+{point:04X}⟩"


def invisible(shown: str) -> str:
    """The text whose visible form is *shown*, unless that was cut: the inverse of :func:`visible`."""
    if shown == "⟨empty⟩":
        return ""
    return re.sub("⟨U\\+([0-9A-F]{4,6})⟩", lambda spelt: _character(int(spelt[1], 16)), shown)


def _character(point: int) -> str:
    return stand_in(point) if point in _SURROGATES else chr(point)


def visible_column(column: pd.Series[str]) -> pd.Series[str]:
    """:func:`visible` of every value of a pyarrow-backed ``str`` column without missing values.

    Only suspicious rows pass through Python; where there are none, *column* itself is returned.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pa.array(column.array)
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    suspicious = pc.or_(pc.match_substring_regex(names, _SUSPICIOUS), pc.greater(pc.utf8_length(names), LIMIT))
    if not pc.any(suspicious).as_py():
        return column
    forms = [visible(name) for name in names.filter(suspicious).to_pylist()]
    shown = pc.replace_with_mask(names, suspicious, pa.array(forms, names.type))
    return pd.Series(shown, index=column.index, name=column.name, dtype="str")


def glob_to_regex(pattern: str) -> str:
    r"""The RE2 expression, anchored at both ends, for a case-sensitive glob that must match the whole text.

    ``*`` is any text, ``?`` one character (line ends included), ``[abc]``, ``[a-z]`` and ``[!a-z]`` are sets, as
    :func:`fnmatch.fnmatchcase` has them. It is for :mod:`pyarrow.compute`; :mod:`re` does not know ``\z``.
    """
    parts = []
    rest = pattern
    while rest:
        character, rest = rest[0], rest[1:]
        if character == "*":
            parts.append(".*")
        elif character == "?":
            parts.append(".")
        elif character == "[" and (end := rest.find("]", 2 if rest.startswith("!") else 1)) > 0:
            parts.append(_set_to_regex(rest[:end]))
            rest = rest[end + 1 :]
        else:
            parts.append(re.escape(character))
    return rf"\A(?s:{''.join(parts)})\z"


def _set_to_regex(members: str) -> str:
    negated, members = members.startswith("!"), members.removeprefix("!")
    ranges = []
    for low, high in re.findall(r"(.)(?:-(.))?", members, re.DOTALL):
        if not high:
            ranges.append(re.escape(low))
        elif low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    if not ranges:
        return "." if negated else r"[^\x00-\x{10FFFF}]"
    return f"[{'^' if negated else ''}{''.join(ranges)}]"
