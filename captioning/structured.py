"""Answers about sets that are held to a form: one text an image, and what the images share.

Comes in: how many images a set has, an answer, the naming contract of its prompt. Goes out: the form as a
JSON schema and in words, and the paragraph that an answer is composed into. So each image has its part, in
order, whatever the model does. Not its job: holding the model to the form, which its server does.
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
"""Of an answer by which a server shows whether it holds to the form: the first of them says it."""


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    images: list[str]
    shared: str


def response_format(image_count: int) -> dict[str, Any]:
    """The form, as OpenAI-compatible servers take it. Images come first: what they share follows from them.

    Without bounds on texts: not every server's decoder knows them, and an empty text is found afterwards.
    """
    texts = {"type": "array", "items": {"type": "string"}, "minItems": image_count, "maxItems": image_count}
    schema = {
        "type": "object",
        "properties": {"images": texts, "shared": {"type": "string"}},
        "required": ["images", "shared"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "caption", "schema": schema, "strict": True}}


def asked_text(prompt: Prompt, image_count: int) -> str:
    """A prompt with the form behind it, in no language: so the model knows what it is going to be held to."""
    assert prompt.naming is not None
    names = [_label(prompt.naming, number) for number in range(1, image_count + 1)]
    form = msgspec.json.encode({"images": [f"{name}: ..." for name in names], "shared": "..."})
    return f"{prompt.text}\nJSON: {form.decode()}"


def refuse_without_form(engine: Engine, tile_px: int) -> None:
    """Ask for one short answer, and raise SetupError where it isn't held to the form."""
    naming = Naming(label="Image-{number}", pattern=r"Image-\d+")
    picture = trial_jpeg(tile_px)
    request = CaptionRequest(
        id="form",
        prompt=asked_text(Prompt(version=1, text="Describe the images.", naming=naming), 2),
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
    """The paragraph: each image's name and text, then what they share. None where it isn't in the form.

    >>> naming = Naming(label="Image-{number}", pattern=r"Image-\\d+")
    >>> compose('{"images": ["A cat.", "A dog."], "shared": "Both sit."}', naming, Language(code="en"), 2)
    'Image-1: A cat. Image-2: A dog. Both sit.'
    """
    try:
        found = msgspec.json.decode(answer.strip(), type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    texts = [_text(naming, number, text) for number, text in enumerate(found.images, 1)]
    if len(texts) != image_count or not all(texts):
        return None
    space = " " if language.unit == "word" else ""
    parts = [f"{_label(naming, number)}:{space}{text}" for number, text in enumerate(texts, 1)]
    return space.join([*parts, *([shared] if (shared := _one_line(found.shared)) else [])])


def _text(naming: Naming, number: int, text: str) -> str:
    """One image's text, without its name where the model wrote that too."""
    text = _one_line(text)
    return text.removeprefix(_label(naming, number)).lstrip(" :\uff1a")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _label(naming: Naming, number: int) -> str:
    return naming.label.replace("{number}", str(number))
