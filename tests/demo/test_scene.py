"""The content of scenes, chosen by `triptych.demo.scene`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from triptych.demo.scene import (
    COLOURS,
    KINDS,
    PLACES,
    THEMES,
    Scene,
    Split,
    imagine_scene,
    split_of,
    vary_scene,
)

N_SCENES = 3000


def content(scene: Scene) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What a scene contains, without its seed."""
    return scene.theme, tuple((thing.kind, thing.colour) for thing in scene.things)


@pytest.fixture(scope="module")
def train() -> list[Scene]:
    return [imagine_scene("train", index) for index in range(N_SCENES)]


@pytest.fixture(scope="module")
def unseen() -> list[Scene]:
    return [imagine_scene("unseen", index) for index in range(N_SCENES)]


def test_the_same_index_always_gives_the_same_scene() -> None:
    """A scene depends only on its split and index, not on earlier calls."""
    assert imagine_scene("train", 7) == imagine_scene("train", 7)
    assert imagine_scene("train", 7) != imagine_scene("train", 8)
    assert imagine_scene("train", 7) != imagine_scene("unseen", 7)


def test_another_process_imagines_the_same_scene() -> None:
    """Scenes don't depend on Python's hashes, which differ between processes."""
    code = "from triptych.demo.scene import imagine_scene; print(imagine_scene('unseen', 3))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert repr(imagine_scene("unseen", 3)) == answer.stdout.strip()


def test_no_content_is_in_both_splits(train: list[Scene], unseen: list[Scene]) -> None:
    """A model trained on one split has seen no scene of the other, and no variation of one."""
    train_contents = {content(scene) for scene in train}
    train_contents |= {content(vary_scene(scene, "train", 0)) for scene in train}
    unseen_contents = {content(scene) for scene in unseen}
    unseen_contents |= {content(vary_scene(scene, "unseen", 0)) for scene in unseen}

    assert len(unseen_contents) > N_SCENES
    assert not train_contents & unseen_contents


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_a_variation_is_related_and_never_a_copy(split: Split) -> None:
    """It has the same theme and split and other content, and keeps at least half of the things."""
    for index in range(500):
        scene = imagine_scene(split, index)
        varied = vary_scene(scene, split, index)
        kept = set(content(scene)[1]) & set(content(varied)[1])

        assert scene.theme == varied.theme
        assert split == split_of(varied)
        assert content(scene) != content(varied)
        assert len(kept) >= len(scene.things) / 2
        assert varied == vary_scene(scene, split, index)


def test_different_variations_of_a_scene_differ(train: list[Scene]) -> None:
    """The index of a variation selects the change."""
    assert len({content(vary_scene(train[0], "train", index)) for index in range(20)}) > 10


def test_scenes_contain_two_to_five_distinct_things_that_suit_the_theme(train: list[Scene]) -> None:
    """So captions can identify each thing by its colour and kind. Each place is taken once."""
    for scene in train:
        items = content(scene)[1]

        assert 2 <= len(scene.things) <= 5
        assert len(set(items)) == len(items)
        assert PLACES[len(items)] == tuple(thing.place for thing in scene.things)
        assert {kind for kind, _ in items} <= set(THEMES[scene.theme].kinds)
        assert {colour for _, colour in items} <= set(THEMES[scene.theme].colours)


def test_every_theme_kind_and_colour_occurs_in_both_splits(train: list[Scene], unseen: list[Scene]) -> None:
    """Nothing in the vocabulary is left untrained or untested."""
    for scenes in (train, unseen):
        things = [thing for scene in scenes for thing in scene.things]

        assert set(THEMES) == {scene.theme for scene in scenes}
        assert set(KINDS) == {thing.kind for thing in things}
        assert set(COLOURS) == {thing.colour for thing in things}


def test_an_unknown_split_is_refused() -> None:
    """It has no scenes, so the search for one would never end."""
    with pytest.raises(ValueError, match="no split 'demo'; there are train, unseen"):
        imagine_scene("demo", 0)  # type: ignore[arg-type]
