"""The labelled captions: what is wrong with each, if anything."""

from pathlib import Path

import msgspec

from triptych.filtering.scoring import CaptionInput

FOLDER = Path(__file__).parents[1] / "filtering" / "labelled"


class Labelled(msgspec.Struct, frozen=True):
    """One caption and what is wrong with it: None for a good one, ``hard`` where it looks wrong."""

    id: str
    job: str
    text: str
    images: int
    finish_reason: str
    fault: str | None
    hard: bool = False

    @property
    def input(self) -> CaptionInput:
        """What the filter is given of it."""
        return CaptionInput(self.id, self.job, self.text, self.images, self.finish_reason)


def read_labelled(name: str) -> list[Labelled]:
    """The captions of one labelled file."""
    decoder = msgspec.json.Decoder(Labelled)
    return [decoder.decode(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()]
