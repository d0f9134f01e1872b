"""What was checked, and what is wrong.

Comes in: one line at a time. Goes out: all of them. Not its job: looking.
"""

from __future__ import annotations

import msgspec


class Findings(msgspec.Struct, kw_only=True):
    """Checks that passed, with counts; and violations, each with what to do."""

    checks: list[str] = []
    violations: list[str] = []
