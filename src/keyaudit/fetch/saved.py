"""An answer saved earlier, read from a file or from standard input."""

from __future__ import annotations

import io
import os
import stat
from typing import BinaryIO

from keyaudit.errors import UsageError
from keyaudit.model import Answer
from keyaudit.text import visible

MAX_BYTES = 2**30
"""For both documents of an account: twice what one answer may have by default."""

_CHUNK = 2**20


def read_saved(path: str, stdin: BinaryIO | None, *, max_bytes: int = MAX_BYTES) -> Answer:
    """Read the file *path*, or *stdin* if *path* is ``-``.

    The answer's source is the file's base name or ``standard input``; it has no dates, since a saved file
    says nothing of the server's clock. Raises :class:`UsageError` where nothing can be read or where there
    are more than *max_bytes*; whether it is the right document is not judged here.
    """
    source = "standard input" if path == "-" else visible(os.path.basename(os.path.abspath(path)))
    named = source if path == "-" else visible(path, 4096)
    try:
        if path != "-":
            # Unbuffered: a regular file of 150 MB then comes in one read, without a second copy.
            with open(path, "rb", buffering=0) as file:
                body = _read(file, max_bytes)
        elif stdin is not None:
            body = _read(stdin, max_bytes)
        else:
            msg = "--from - reads standard input, which is closed."
            raise UsageError(msg)
    except (OSError, ValueError) as error:
        # A path with a NUL is a ValueError, and so is a closed stream.
        reason = error.strerror if isinstance(error, OSError) else "it is no path that this system could open"
        msg = f"--from cannot read {named}: {reason}."
        raise UsageError(msg) from None
    if len(body) > max_bytes:
        msg = f"--from does not read {named}: it is larger than {max_bytes} bytes."
        raise UsageError(msg)
    return Answer(body, source)


def _read(stream: BinaryIO | io.FileIO, max_bytes: int) -> bytes:
    """All of *stream*, or a little more than *max_bytes* where there is more."""
    if isinstance(stream, io.FileIO):
        status = os.fstat(stream.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size <= max_bytes:
            return stream.readall()
    collected = io.BytesIO()
    while collected.tell() <= max_bytes and (chunk := stream.read(_CHUNK)):
        collected.write(chunk)
    return collected.getvalue()
