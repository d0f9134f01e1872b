"""Text on a terminal: what comes from outside can't move the cursor or forge a line.

Comes in: lines with names of files, captions, words of models and servers. Goes out: the same on stdout or
stderr, with control characters, line breaks and marks that turn the direction of writing shown as escapes.
Not its job: files, whose readers want every byte.
"""

from __future__ import annotations

import re
import sys

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Unicode's controls (C0, C1), separators of lines and paragraphs, bidirectional marks; and the lone
surrogates that Python puts in the place of bytes that aren't UTF-8."""


def printable(line: str) -> str:
    r"""The line with what isn't to reach a terminal as an escape.

    >>> print(printable("a\x1b[2J.jpg\nBAD  forged"))
    a\x1b[2J.jpg\nBAD  forged
    """
    return _UNSAFE.sub(lambda found: repr(found.group())[1:-1], line)


def echo(*lines: str, to_stderr: bool = False) -> None:
    """Print each of ``lines`` on a line of its own."""
    stream = sys.stderr if to_stderr else sys.stdout
    for line in lines:
        print(printable(line), file=stream, flush=to_stderr)


def echo_json(value: object) -> None:
    """Print one indented JSON document. Its strings hold no control characters but as JSON's escapes."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    print(re.sub("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda found: rf"\u{ord(found.group()):04x}", text))
