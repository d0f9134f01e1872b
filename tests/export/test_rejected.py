"""Preference pairs: a better and a worse caption."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.export.conftest import repair_first_caption
from tests.support.contexts import JOBS
from triptych.export.check.export import check_export
from triptych.export.formats.preference import Rejected, cut
from triptych.export.rejected import rejected_for, with_sentence_of, with_swapped_parts
from triptych.progress import Silent
from triptych.prompts import load_prompt
from triptych.records import Caption, ImageRecord, Verdict
from triptych.runs.folder import RunFolder
from triptych.runs.plan import Planned, Target

EN, ZH = (load_prompt(JOBS[name]).naming for name in ("multi_en", "multi_zh"))


def planned(name: str, text: str, *, verdict: Verdict | None = None, count: int = 1) -> tuple[Planned, str]:
    target = Target(id=name, images=tuple(ImageRecord(key=f"{name}/{at}") for at in range(count)))
    caption = Caption(id=name, job=name.partition(":")[0], text=text)
    made = Planned(target, caption, verdict or Verdict(id=name, keep=True))
    return made, made.text


def test_the_original_of_a_repaired_or_edited_caption_is_the_worse_one() -> None:
    """It is what the model wrote."""
    repaired = Verdict(id="s:a", keep=True, text="A dog.", removed=("It is red.",))
    edited = Verdict(id="s:b", keep=True, text="A cat.")
    kept = [planned("s:a", "A dog. It is red.", verdict=repaired), planned("s:b", "A horse.", verdict=edited)]

    assert Rejected("A dog. It is red.", "check") == rejected_for(0, kept, None)
    assert Rejected("A horse.", "people") == rejected_for(1, kept, None)


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        (
            "Image-1: A dog. It is red. Image-2: A cat. Both images are warm.",
            "Image-1: A cat. Image-2: A dog. It is red. Both images are warm.",
        ),
        ("图1：一只狗。图2：一只猫。", "图1：一只猫。图2：一只狗。"),
        (
            "Image-1: A dog. Image-2: A cat. Image-1 is dark.",
            "Image-2: A dog. Image-1: A cat. Image-2 is dark.",
        ),
    ],
)
def test_the_descriptions_of_two_images_are_swapped(text: str, swapped: str) -> None:
    """If an image is mentioned in two places, only the names are swapped."""
    assert swapped == with_swapped_parts(text, 2, EN if text.isascii() else ZH, 0)


def test_any_two_images_of_a_set_may_be_swapped() -> None:
    """A hash of the caption's id decides which."""
    text = "Image-1: Ash. Image-2: Beech. Image-3: Cedar."

    assert {
        "Image-1: Beech. Image-2: Ash. Image-3: Cedar.",
        "Image-1: Cedar. Image-2: Beech. Image-3: Ash.",
        "Image-1: Ash. Image-2: Cedar. Image-3: Beech.",
    } == {with_swapped_parts(text, 3, EN, chance) for chance in range(12)}


def test_images_with_the_same_description_are_not_swapped() -> None:
    """Another pair is swapped, if there is one."""
    together = "Image-1 and Image-2 show a boat. Image-3 shows a cat."
    apart = "Image-1: A boat. Image-2: A boat. Image-3: A cat."

    assert {
        "Image-3 and Image-2 show a boat. Image-1 shows a cat.",
        "Image-1 and Image-3 show a boat. Image-2 shows a cat.",
    } == {with_swapped_parts(together, 3, EN, chance) for chance in range(6)}
    assert {
        "Image-1: A cat. Image-2: A boat. Image-3: A boat.",
        "Image-1: A boat. Image-2: A cat. Image-3: A boat.",
    } == {with_swapped_parts(apart, 3, EN, chance) for chance in range(6)}
    assert with_swapped_parts("Both Image-1 and Image-2 show cats.", 2, EN, 0) is None


def test_a_caption_of_one_image_gets_a_sentence_of_another_caption() -> None:
    """It replaces one of its sentences, and is never one that both captions have."""
    kept = [planned(f"s:{n}", f"A boat. Thing {n} lies there.") for n in range(9)]
    for at in range(9):
        rejected = rejected_for(at, kept, None)
        assert "other image" == rejected.by
        assert rejected.text != kept[at][1]
        assert 1 == len({n for n in range(9) if n != at and f"Thing {n} lies there." in rejected.text})
    assert "A boat." == with_sentence_of("A boat.", "A boat.", 3)


def test_without_another_way_half_of_a_caption_is_the_worse_one() -> None:
    """This is so for the only caption, one that swapping doesn't change, and a single sentence."""
    assert Rejected("A boat. A quay.", "cut") == rejected_for(
        0, [planned("s:a", "A boat. A quay. A man. Fog.")], None
    )
    same = [planned("m:a", "Image-1: A dog. Image-2: A dog.", count=2)]
    assert Rejected("Image-1: A dog.", "cut") == rejected_for(0, same, EN)
    assert Rejected("A b", "cut") == cut("A boat.")


@pytest.mark.parametrize("row_format", ["preference", "preference-llama-factory"])
def test_an_export_has_a_pair_for_each_kept_caption(
    judged_run: Callable[..., RunFolder], export: Callable[..., bool], row_format: str
) -> None:
    """The better one is the kept caption, which the check verifies. The worse one is another text."""
    run = judged_run(text="A red boat lies there. It is called {id}.")
    repair_first_caption(run, "single_zh")
    run.save()

    export(run, format=row_format)

    (single,) = run.export_folder.glob("*single_image_zh.jsonl")
    rows = [json.loads(line) for line in single.read_text("utf-8").splitlines()]
    assert {"check", "other image"} == {row["rejected_by"] for row in rows}
    assert all(row["chosen"] != row["rejected"] for row in rows)
    assert [] == check_export(run, Silent())[1]
    assert "`swapped` has the parts of two images exchanged" in (run.export_folder / "README.md").read_text(
        "utf-8"
    )
