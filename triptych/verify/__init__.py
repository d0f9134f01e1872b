"""The checks of `triptych verify`, and what they find."""

from __future__ import annotations

import msgspec


class Findings(msgspec.Struct, kw_only=True):
    """Checks that passed, with counts; and violations, each with what to do."""

    checks: list[str] = []
    violations: list[str] = []
