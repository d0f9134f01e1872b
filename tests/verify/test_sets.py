"""`triptych verify` compares each set with the conditions of its kind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from tests.support.contexts import context_of
from tests.support.made_up import as_unit, make_run
from triptych.grouping.config import SetsConfig
from triptych.grouping.sets_stage import make_sets
from triptych.records import ImageSet
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.verify import Findings
from triptych.verify.state import check_sets


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run with sets of all three kinds."""
    rng = np.random.default_rng(5)
    rows = np.repeat(rng.normal(size=(40, 64)), 3, axis=0) + rng.normal(0, 0.5, (120, 64))
    rows = as_unit(np.concatenate([rows, rng.normal(size=(80, 64))]))
    run = make_run(tmp_path / "run", {f"{at:03d}.jpg": row for at, row in enumerate(rows)})
    make_sets(context_of(run), SetsConfig(contrast_share=0.3, varied_share=0.2))
    return run


def _found(run: RunFolder) -> Findings:
    found = Findings(checks=[], violations=[])
    check_sets(SimpleNamespace(folder=run), found)  # type: ignore[arg-type]
    return found


def test_valid_sets_of_all_kinds_pass(run: RunFolder) -> None:
    """They are counted by kind."""
    found = _found(run)

    assert [] == found.violations
    (line,) = found.checks
    assert "meet the conditions of their kind" in line
    assert all(kind in line for kind in (" contrast", " related", " varied"))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("contrast", {"odd": ""}, "a contrast set has the odd image ''"),
        ("contrast", {"kind": "related", "odd": ""}, "and related ones"),
        ("contrast", {"min_cosine_similarity": 0.9}, "its odd image has 0.9, and unlike ones less than"),
        ("related", {"odd": "KEY"}, "a related set has the odd image"),
        ("varied", {"kind": "related"}, "its least alike images have"),
        ("related", {"kind": "varied"}, "on average, and unlike ones less than"),
        ("varied", {"kind": "contrast"}, "a contrast set has the odd image ''"),
    ],
)
def test_a_set_that_breaks_a_condition_of_its_kind_is_found(
    run: RunFolder, kind: str, changes: dict[str, object], message: str
) -> None:
    """If its kind is changed, the stored counts of kinds are wrong as well."""
    sets = list(run.sets())
    at = next(at for at, each in enumerate(sets) if each.kind == kind)
    changed = {name: sets[at].keys[0] if value == "KEY" else value for name, value in changes.items()}
    sets[at] = msgspec.convert(msgspec.structs.asdict(sets[at]) | changed, ImageSet)
    write_jsonl(run.sets_file, sets)

    violations = _found(run).violations

    assert any(f"set {sets[at].id}: " in line and message in line for line in violations)
    assert ("kind" in changes) == any("run.json notes" in line for line in violations)
