"""The labelled captions, with the fault of each, if any."""

from pathlib import Path

import msgspec

from triptych.filtering.scoring import CaptionInput

FOLDER = Path(__file__).parents[1] / "filtering" / "labelled"


class Labelled(msgspec.Struct, frozen=True):
    """One caption and its fault, None if it is good. ``hard``: it is hard to judge."""

    id: str
    job: str
    text: str
    images: int
    finish_reason: str
    fault: str | None
    hard: bool = False

    @property
    def input(self) -> CaptionInput:
        """The caption as the filter gets it."""
        return CaptionInput(self.id, self.job, self.text, self.images, self.finish_reason)


def read_labelled(name: str) -> list[Labelled]:
    """The captions of one labelled file."""
    decoder = msgspec.json.Decoder(Labelled)
    return [decoder.decode(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()]
