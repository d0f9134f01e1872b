"""Failures of the machine (disk, memory, threads) as one-line messages.

Comes in: an error that no stage expected. Goes out: a line for the user, or None for a bug of Triptych, whose
traceback is wanted. Not its job: errors that Triptych raises on purpose (see errors).
"""

from __future__ import annotations

from collections.abc import Iterator

_GO_ON = "; fix that, and the same command resumes from here"


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C caused ``error``: in the middle of an import it surfaces as another error."""
    return any(isinstance(each, KeyboardInterrupt) for each in _chain(error))


def machine_error(error: BaseException) -> str | None:
    """A message for a full or failing disk, too little memory, too few threads; None for other errors."""
    for each in _chain(error):
        words = " ".join(str(each).split())
        if isinstance(each, OSError):
            where = f" at {each.filename}" if each.filename else ""
            return f"{each.strerror or words or type(each).__name__}{where}{_GO_ON}"
        if isinstance(each, MemoryError) or "out of memory" in words or "allocate memory" in words:
            return f"not enough memory{f' ({words})' if words else ''}{_GO_ON}"
        if "can't start new thread" in words:
            return f"no more threads can be started (ulimit -u, or a limit on memory){_GO_ON}"
        if isinstance(each, ImportError) and each.path is not None and ".so" in each.path:
            return f"{each.path} can't be loaded ({words}){_GO_ON}"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error``, its cause, the cause of that, and so on."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
