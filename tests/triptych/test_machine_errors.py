"""Errors of the machine, such as a full disk, become one line."""

import errno

import pytest

from triptych.machine_errors import machine_error, was_interrupted


def _raised(error: Exception, cause: BaseException) -> Exception:
    try:
        raise error from cause
    except Exception as raised:
        return raised


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/run/a"), "No space left on device at /run/a"),
        (OSError("576 requested and 0 written"), "576 requested and 0 written"),
        (OSError(), "OSError"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("can't start new thread"), "no more threads"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (
            ImportError("failed to map", name="_x", path="/lib/_x.cpython-311.so"),
            "/lib/_x.cpython-311.so can't be loaded",
        ),
        (_raised(ImportError("numpy: please read this"), MemoryError()), "not enough memory"),
    ],
)
def test_a_machine_error_is_one_line_with_advice(error: Exception, words: str) -> None:
    """Also if a library has replaced it with another error."""
    line = machine_error(error)

    assert line is not None
    assert line.startswith(words)
    assert "\n" not in line
    assert "the same command resumes from here" in line


@pytest.mark.parametrize("error", [KeyError("x"), ImportError("cannot import name x", path="/lib/x.py")])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    """It is needed to fix the bug."""
    assert machine_error(error) is None


def test_an_interrupt_during_an_import_is_recognised() -> None:
    """Python turns it into another error there."""
    assert was_interrupted(_raised(RuntimeError("Error calling __set_name__"), KeyboardInterrupt()))
    assert not was_interrupted(RuntimeError())
