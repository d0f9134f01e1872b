"""Safe output on a terminal: text from outside can't move the cursor or forge a line.

Comes in: lines with file names, captions, texts of models and servers. Goes out: the same on stdout or
stderr, with control characters, line breaks and bidirectional marks escaped. Not its job: files, whose
readers want every byte.
"""

from __future__ import annotations

import re
import sys

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Unicode's control characters (C0, C1), line and paragraph separators, bidirectional marks, and the lone
surrogates that stand for bytes that aren't UTF-8."""


def printable(line: str) -> str:
    r"""The line with unsafe characters escaped.

    >>> print(printable("a\x1b[2J.jpg\nBAD  forged"))
    a\x1b[2J.jpg\nBAD  forged
    """
    return _UNSAFE.sub(lambda found: repr(found.group())[1:-1], line)


def echo(*lines: str, to_stderr: bool = False) -> None:
    """Print ``lines``, with unsafe characters escaped."""
    stream = sys.stderr if to_stderr else sys.stdout
    for line in lines:
        print(printable(line), file=stream, flush=to_stderr)


def echo_json(value: object) -> None:
    """Print one indented JSON document. Control characters in its strings are escaped as JSON does it."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    print(re.sub("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda found: rf"\u{ord(found.group()):04x}", text))
