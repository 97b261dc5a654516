"""Text from outside made inert on GitHub, for the formats that are Markdown.

Escaping would not do: GitHub turns ``\\@name``, ``\\#1`` and an escaped address into links all the same. What keeps
text inert is a code span. So prose keeps its plain words, and every word that could mean anything to Markdown or to
GitHub stands in a code span, where it is also plain to see that it was not written by us.
"""

from __future__ import annotations

import re
from itertools import groupby

_PLAIN_WORD = re.compile(
    r"""
    (?![0-9a-f]{7,40}\b)                      # GitHub takes it for a commit
    (?![0-9]+[.)])                            # begins a list where a line begins
    [("“\u2018]*
    (?: [^\W\d_]+ (?: [-'’] [^\W\d_]+ )*      # letters of any script
      | [0-9]+ (?: [-,.:] [0-9]+ )*           # numbers, dates, times
    )
    [)"”’%]* [,.;:?]? [)"”’]*
    | [–—·→]
    """,
    re.VERBOSE,
)


class Markdown(str):
    """Text that is Markdown already and goes into the report as it is; all other text becomes :func:`prose`."""

    __slots__ = ()


def prose(text: object) -> Markdown:
    """*text* on one line, the words that could mean anything to Markdown in code spans."""
    if isinstance(text, Markdown):
        return text
    runs = groupby(str(text).split(), key=lambda word: _PLAIN_WORD.fullmatch(word) is not None)
    return Markdown(" ".join(" ".join(words) if plain else code(" ".join(words)) for plain, words in runs))


def code(text: object) -> Markdown:
    """*text* in a code span, whose fence is longer than any run of backticks within."""
    content = re.sub(r"\s*[\r\n]\s*", " ", str(text)) or "⟨empty⟩"
    fence = "`" * (1 + max(map(len, re.findall("`+", content)), default=0))
    # one space at either end is taken for padding
    padding = " " if "`" in (content[0], content[-1]) or content[0] == content[-1] == " " else ""
    return Markdown(f"{fence}{padding}{content}{padding}{fence}")
