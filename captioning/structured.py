"""Structured answers about sets: JSON with one text per image, and what the images share.

Comes in: the size of a set, an answer, the naming contract of the prompt. Goes out: the form as a JSON schema
and as text for the prompt, and the caption composed from an answer. So each image has its part, in order. Not
its job: constraining the model to the form, which its server does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from triptych.captioning.engine import CaptionRequest, Engine
from triptych.captioning.tiling import trial_jpeg
from triptych.errors import SetupError
from triptych.languages import Language
from triptych.prompts import Naming, Prompt

FORM_TOKENS = 8
"""Tokens of the answer that tests a server: its first one shows whether it keeps to the form."""


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    images: list[str]
    shared: str


def response_format(image_count: int) -> dict[str, Any]:
    """The form, as OpenAI-compatible servers take it. Images come first, so that ``shared`` follows from
    them.

    Texts have no bounds: not every server's decoder knows them, and empty texts are found later.
    """
    texts = {"type": "array", "items": {"type": "string"}, "minItems": image_count, "maxItems": image_count}
    schema = {
        "type": "object",
        "properties": {"images": texts, "shared": {"type": "string"}},
        "required": ["images", "shared"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "caption", "schema": schema, "strict": True}}


def prompt_with_form(prompt: Prompt, image_count: int) -> str:
    """A prompt followed by a sketch of the form, so that the model knows what it is constrained to."""
    assert prompt.naming is not None
    names = [_label(prompt.naming, number) for number in range(1, image_count + 1)]
    form = msgspec.json.encode({"images": [f"{name}: ..." for name in names], "shared": "..."})
    return f"{prompt.text}\nJSON: {form.decode()}"


def require_structured_answers(engine: Engine, tile_px: int) -> None:
    """Ask for one short answer, and raise SetupError if the engine doesn't keep to the form."""
    naming = Naming(label="Image-{number}", pattern=r"Image-\d+")
    picture = trial_jpeg(tile_px)
    request = CaptionRequest(
        id="form",
        prompt=prompt_with_form(Prompt(version=1, text="Describe the images.", naming=naming), 2),
        images=(picture, picture),
        max_tokens=FORM_TOKENS,
        structured=True,
    )
    completion = engine.caption([request])[0]
    if completion.failure is not None or not completion.text.lstrip().startswith("{"):
        said = completion.failure or repr(completion.text[:80])
        raise SetupError(
            f"{engine.describe()} does not hold answers to a form (response_format with json_schema): {said};"
            " serve the model with guided decoding, or leave structured out of the jobs"
        )


def compose(answer: str, naming: Naming, language: Language, image_count: int) -> str | None:
    """The caption: each image's name and text, then what they share. None if the answer isn't in the form.

    >>> naming = Naming(label="Image-{number}", pattern=r"Image-\\d+")
    >>> compose('{"images": ["A cat.", "A dog."], "shared": "Both sit."}', naming, Language(code="en"), 2)
    'Image-1: A cat. Image-2: A dog. Both sit.'
    """
    try:
        found = msgspec.json.decode(answer.strip(), type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    labels = [_label(naming, number) for number in range(1, len(found.images) + 1)]
    # without the label, if the model repeated it
    texts = [
        _one_line(text).removeprefix(label).lstrip(" :\uff1a")
        for label, text in zip(labels, found.images, strict=True)
    ]
    if len(texts) != image_count or not all(texts):
        return None
    space = " " if language.unit == "word" else ""
    parts = [f"{label}:{space}{text}" for label, text in zip(labels, texts, strict=True)]
    return space.join(filter(None, [*parts, _one_line(found.shared)]))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _label(naming: Naming, number: int) -> str:
    return naming.label.replace("{number}", str(number))
