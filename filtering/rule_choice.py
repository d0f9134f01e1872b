"""Load the rules that a config names: built-in ones and the user's own.

Comes in: a FilteringConfig. Goes out: rules in order of priority. Not its job: what rules measure (see
rules), their thresholds for a job (see scoring).

A user's rule is a Rule, or a function from a caption to a score that is violated above 0. It is in an
importable module, in a Python file, or behind an entry point of the group ``triptych.rules``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from triptych.errors import UsageError, did_you_mean
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule import Rule
from triptych.filtering.rules import RULES
from triptych.filtering.scoring import FilterJob, Scorer

T = TypeVar("T")

ENTRY_POINTS = "triptych.rules"
"""The entry point group of other packages' rules."""

_HOW = (
    "expected the name of a rule, or one of your own as module:NAME or file.py:NAME, where NAME is a"
    " triptych.filtering.rule.Rule or a function from a caption to a score"
)
_UNSET_THRESHOLD = "; `triptych config RUN filtering.thresholds.{}=none` removes it from a run's settings"


def chosen_rules(config: FilteringConfig, more: Sequence[Rule] = ()) -> tuple[Rule, ...]:
    """The rules to run, in order of priority, followed by ``more``.

    Raises UsageError if one can't be found or loaded.
    """
    shipped = {rule.name: rule for rule in RULES}
    rules = [shipped.get(spec) or _own_rule(spec, shipped) for spec in config.rules]
    if not any(spec in shipped for spec in config.rules):
        rules = [*RULES, *rules]
    rules += more
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"filtering.rules has two rules named {name}; give yours another name")
    for key in ("flags", "thresholds", "accepted"):
        for name in getattr(config, key) or ():
            if name not in names:
                raise UsageError(
                    f"filtering.{key} names {name!r}{did_you_mean(name, names)}; rules that run are"
                    f" {', '.join(names)}{_UNSET_THRESHOLD.format(name) if key == 'thresholds' else ''}",
                    key=f"filtering.{key}",
                )
    return tuple(rules)


def make_scorer(config: FilteringConfig, jobs: Sequence[FilterJob]) -> Scorer:
    """A Scorer with the rules of ``config``.

    Raises UsageError like ``chosen_rules``, and for an invalid threshold.
    """
    return Scorer(config, jobs, chosen_rules(config))


def versions(rules: Sequence[Rule]) -> str:
    """A fingerprint of ``rules``: names and versions in order, and a digest of each user's rule."""
    shipped = {id(rule) for rule in RULES}
    return ", ".join(
        f"{rule.name} {rule.version}" + ("" if id(rule) in shipped else f" {_digest(rule)}") for rule in rules
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
        found = _loaded(offered[spec].load, spec)
    return as_rule(found, name or spec)


def as_rule(found: object, name: str) -> Rule:
    """A Rule unchanged, or a function as a Rule. Raises UsageError for anything else."""
    if isinstance(found, Rule):
        return found
    if not callable(found):
        raise UsageError(f"filtering.rules: {name} is {type(found).__name__}; {_HOW}")
    return Rule(name=name, measure=found, threshold=0.0, likely_cause="see what the rule is for")


def _module(where: str, spec: str) -> ModuleType:
    """Import a module by name or by its file, also from the working directory."""
    local_file = Path(*where.split(".")).with_suffix(".py")

    def load() -> ModuleType:
        if where.endswith(".py"):
            return _from_file(Path(where).expanduser().resolve(strict=True))
        if importlib.util.find_spec(where.partition(".")[0]) is None and local_file.exists():
            return _from_file(local_file.resolve())
        return importlib.import_module(where)

    return _loaded(load, spec)


def _loaded(load: Callable[[], T], spec: str) -> T:
    try:
        return load()
    except (Exception, SystemExit) as error:  # a user's module may raise anything, and a script may exit
        raise UsageError(
            f"filtering.rules: {spec} can't be loaded ({type(error).__name__}: {error}); {_HOW}",
            key="filtering.rules",
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


def _digest(rule: Rule) -> str:
    """Of a rule's fields, and the source of its functions."""
    digest = hashlib.sha256()
    for name in rule.__struct_fields__:
        value = getattr(rule, name)
        plain = sorted(value) if isinstance(value, AbstractSet) else value
        digest.update(_source(value) if callable(value) else repr(plain).encode())
    return digest.hexdigest()[:12]


def _source(function: Any) -> bytes:
    """The source file of a function or a callable object; empty if there is none."""
    for each in (inspect.unwrap(function), getattr(function, "func", function), type(function)):
        with contextlib.suppress(OSError, TypeError):
            if path := inspect.getsourcefile(each):
                return Path(path).read_bytes()
    return b""
