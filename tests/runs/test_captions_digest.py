"""The digest of a run's captions depends on their content only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.contexts import JOBS
from triptych.records import Caption, ImageRecord
from triptych.runs.captions_digest import captions_digest
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl

IDS = [f"single_en:{n}.jpg" for n in range(3)]


@pytest.fixture
def digest(tmp_path: Path) -> Callable[..., str]:
    """A function that returns the digest of a run of three images with the given captions."""

    def make(*captions: Caption) -> str:
        run = RunFolder.create_or_open(tmp_path / f"run {len(list(tmp_path.iterdir()))}")
        write_jsonl(run.images_file("s"), [ImageRecord(key=f"{n}.jpg") for n in range(3)])
        for path in (run.sets_file, run.duplicates_file):
            write_jsonl(path, [])
        with JournalWriter(run.captions_file("single_en", "s")) as journal:
            journal.commit(captions)
        return captions_digest(run, [JOBS["single_en"]])

    return make


def _caption(identifier: str, text: str = "A boat.", **fields: object) -> Caption:
    return Caption(id=identifier, job="single_en", text=text, **fields)


def test_the_digest_ignores_the_order_and_cost_of_answers(digest: Callable[..., str]) -> None:
    """A resumed run receives answers in another order, and may request one twice."""
    expected = digest(*map(_caption, IDS))

    assert expected == digest(*map(_caption, reversed(IDS)))
    assert expected == digest(_caption(IDS[0], "Another."), *map(_caption, IDS))
    assert expected == digest(*(_caption(i, attempts=3, completion_tokens=9) for i in IDS))
    assert expected == digest(*map(_caption, IDS), _caption("single_en:gone.jpg"))


@pytest.mark.parametrize(
    "change", [{"text": "A ship."}, {"finish_reason": "length"}, {"text": "", "failure": "timeout: x"}]
)
def test_the_digest_depends_on_the_content_of_each_caption(
    digest: Callable[..., str], change: dict[str, str]
) -> None:
    """The content is the text, whether it was cut off, and whether it failed."""
    others = map(_caption, IDS[1:])

    assert digest(*map(_caption, IDS)) != digest(_caption(IDS[0], **change), *others)


def test_the_digest_depends_on_missing_captions(digest: Callable[..., str]) -> None:
    """They may still be made."""
    assert digest(*map(_caption, IDS)) != digest(*map(_caption, IDS[1:]))
