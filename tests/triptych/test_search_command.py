"""``triptych search``: by words and by a picture, in a real run of six images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.triptych.conftest import Command
from triptych.opening import open_run


def test_a_picture_of_the_run_finds_itself_first(triptych: Command, finished: Path, few_images: Path) -> None:
    """Then images of its series, before those of another."""
    outcome = triptych("search", finished, "--image", few_images / "11.png", "-n", 3)

    lines = outcome.stdout.splitlines()
    assert ["1.0000", "11.png"] == lines[0].split()
    assert {"10.png", "12.png"} == {line.split()[1] for line in lines[1:]}


def test_words_find_the_same_images_as_in_python(triptych: Command, finished: Path) -> None:
    text = "a red house under a blue sky"

    found = json.loads(triptych("search", finished, text, "--json").stdout)

    with open_run(finished, read_only=True) as run:
        assert [(each["key"], each["cosine_similarity"]) for each in found] == [
            (each.key, each.cosine_similarity) for each in run.search(text)
        ]
    assert 6 == len(found)
    assert sorted((each["cosine_similarity"] for each in found), reverse=True) == [
        each["cosine_similarity"] for each in found
    ]


def test_sets_are_shown_with_all_their_images(triptych: Command, finished: Path, few_images: Path) -> None:
    found = json.loads(
        triptych("search", finished, "--image", few_images / "00.png", "--sets", "--json").stdout
    )

    with open_run(finished, read_only=True) as run:
        assert {(each["id"], tuple(each["keys"])) for each in found} == {
            (each.id, tuple(each.keys)) for each in run.sets()
        }


def test_exactly_one_of_words_and_picture_is_required(
    triptych: Command, finished: Path, few_images: Path
) -> None:
    for arguments in ([], ["a dog", "--image", few_images / "00.png"], [" "]):
        outcome = triptych("search", finished, *arguments)

        assert 2 == outcome.exit_code
        assert "name either words or --image FILE" in outcome.stderr


def test_a_run_of_stored_embeddings_cannot_be_searched(triptych: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.eye(4, dtype=np.float32))
    triptych("group", "--embeddings", tmp_path / "rows.npy", "--out", tmp_path / "run")

    outcome = triptych("search", tmp_path / "run", "a dog")

    assert 1 == outcome.exit_code
    assert "are from elsewhere, so there is no model to read texts or pictures with" in outcome.stderr


def test_a_file_that_is_no_picture_is_refused_in_one_line(
    triptych: Command, finished: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")

    outcome = triptych("search", finished, "--image", tmp_path / "notes.jpg")

    assert 1 == outcome.exit_code
    assert "notes.jpg: " in outcome.stderr.splitlines()[-1]
