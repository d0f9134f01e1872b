"""Rule: personal data.

Comes in: a caption. Goes out: the number of e-mail addresses and telephone numbers, including those on a sign
in the picture. Not its job: names of people, which can't be distinguished from other names.
"""

from __future__ import annotations

import re

from triptych.filtering.caption import CaptionText
from triptych.filtering.rule import Rule

_EMAIL = re.compile(r"[\w.+\-]{1,64}\s?@\s?[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,4}")
_PHONE = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}[\s.\-]?(?:\(?\d{1,4}\)?[\s.\-]?){2,5}\d{2,4}"  # +44 20 7946 0000
    r"|\(?\d{3}\)?[\s.\-]\d{3}[\s.\-]\d{4}"  # (212) 555-0143
    r"|0\d{2,3}[\s\-]?\d{7,8}|1[3-9]\d[\s\-]?\d{4}[\s\-]?\d{4}|[48]00[\s\-]\d{3,4}[\s\-]\d{3,4}"  # China
    r"|0\d{2,4}[\s\-]\d{3,4}[\s\-]\d{3,4}|\d{3}-\d{4})(?![\w])"
)
_MAY_BE_A_PHONE = re.compile(r"\d(?:\D{0,3}\d){4}")
"""Every telephone number has five digits with at most three other characters between neighbours."""


def personal_data(caption: CaptionText) -> float:
    """The number of e-mail addresses and telephone numbers."""
    text = caption.text
    emails = _EMAIL.findall(text) if "@" in text else []
    phones = _PHONE.findall(text) if _MAY_BE_A_PHONE.search(text) else []
    return float(len(emails) + len(phones))


PERSONAL_DATA = Rule(
    name="personal_data",
    measure=personal_data,
    threshold=0.0,
    action="flag",
    # A telephone number has two digits in a row.
    needles=frozenset({"@", *(f"{number:02}" for number in range(100))}),
    likely_cause="images of signs, documents and screens",
)
