"""The rules of a config: those that ship, and a user's own.

Comes in: a FilteringConfig. Goes out: rules in order of priority. Not its job: what rules measure (see
rules), their thresholds on a job (see scoring).

A rule of one's own is a Rule, or a function from a caption to a score (then it is violated above 0), in a
module that can be imported, in a Python file, or behind an entry point of the group ``triptych.rules``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Collection, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from triptych.errors import UsageError, did_you_mean
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule import Rule
from triptych.filtering.rules import RULES
from triptych.filtering.scoring import FilterJob, Scorer

ENTRY_POINTS = "triptych.rules"
"""The group in which other packages offer rules by name."""

_HOW = (
    "expected the name of a rule, or one of your own as module:NAME or file.py:NAME, where NAME is a"
    " triptych.filtering.rule.Rule or a function from a caption to a score"
)


def chosen_rules(config: FilteringConfig) -> tuple[Rule, ...]:
    """The rules to run, in order of priority. Raises UsageError where one can't be found or loaded."""
    shipped = {rule.name: rule for rule in RULES}
    rules = [shipped.get(spec) or _own_rule(spec, shipped) for spec in config.rules]
    if not any(spec in shipped for spec in config.rules):
        rules = [*RULES, *rules]
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"filtering.rules has two rules of the name {name}; give yours another name")
    for key in ("flags", "thresholds", "accepted"):
        for name in getattr(config, key) or ():
            if name not in names:
                raise UsageError(
                    f"filtering.{key} names {name!r}{did_you_mean(name, names)}; rules that run are"
                    f" {', '.join(names)}"
                )
    return tuple(rules)


def make_scorer(config: FilteringConfig, jobs: Sequence[FilterJob]) -> Scorer:
    """The rules of ``config``, ready to look at captions.

    Raises UsageError as ``chosen_rules`` does, and for a threshold that can't be one.
    """
    return Scorer(config, jobs, chosen_rules(config))


def versions(rules: Sequence[Rule]) -> str:
    """What verdicts depend on of ``rules``, in a line: names and versions in order, and a digest of the
    source of those that don't ship."""
    shipped = {id(rule) for rule in RULES}
    return ", ".join(
        f"{rule.name} {rule.version}" + ("" if id(rule) in shipped else f" {_source_digest(rule)}")
        for rule in rules
    )


def _own_rule(spec: str, shipped: Collection[str]) -> Rule:
    where, colon, name = spec.rpartition(":")
    if colon:
        found = getattr(_module(where, spec), name, None)
        if found is None:
            raise UsageError(f"filtering.rules: {where} has no {name!r}; {_HOW}")
    else:
        offered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
        if spec not in offered:
            known = [*shipped, *offered]
            raise UsageError(
                f"unknown rule {spec!r} in filtering.rules{did_you_mean(spec, known)}; there are"
                f" {', '.join(known)}; {_HOW}"
            )
        found = offered[spec].load()
    return as_rule(found, name or spec)


def as_rule(found: object, name: str) -> Rule:
    """A Rule as it is, a function from a caption to a score as a Rule. Raises UsageError for others."""
    if isinstance(found, Rule):
        return found
    if not callable(found):
        raise UsageError(f"filtering.rules: {name} is {type(found).__name__}; {_HOW}")
    return Rule(name=name, measure=found, threshold=0.0, likely_cause="see what the rule is for")


def _module(where: str, spec: str) -> ModuleType:
    """A module by its name, else by its file: in the working directory, too."""
    beside = Path(*where.split(".")).with_suffix(".py")
    try:
        if where.endswith(".py"):
            return _from_file(Path(where).expanduser().resolve(strict=True))
        if importlib.util.find_spec(where.partition(".")[0]) is None and beside.exists():
            return _from_file(beside.resolve())
        return importlib.import_module(where)
    except Exception as error:  # whatever a user's file raises
        raise UsageError(
            f"filtering.rules: {spec} can't be loaded ({type(error).__name__}: {error}); {_HOW}"
        ) from error


def _from_file(path: Path) -> ModuleType:
    name = f"triptych_rules_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        module_spec = importlib.util.spec_from_file_location(name, path)
        assert module_spec is not None
        assert module_spec.loader is not None
        module = importlib.util.module_from_spec(module_spec)
        module_spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def _source_digest(rule: Rule) -> str:
    try:
        path = inspect.getsourcefile(rule.measure) if rule.measure is not None else None
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12] if path else "?"
    except (OSError, TypeError):  # not from a file
        return "?"
