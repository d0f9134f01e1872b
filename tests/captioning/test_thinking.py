"""Thoughts are removed from the answers of models that think aloud."""

from __future__ import annotations

import pytest

from triptych.captioning.thinking import without_thinking

CAPTION = "A red kite hangs over a field."


@pytest.mark.parametrize(
    "answer",
    [
        "<think>A bird?</think>" + CAPTION,
        "<think>\n\n</think>\n\n" + CAPTION,
        '<think time="3">A bird?</think>' + CAPTION,
        "<THINKING>A bird?</THINKING>" + CAPTION,
        "A bird?</think>" + CAPTION,
        "<reasoning_content>A bird?</reasoning_content>" + CAPTION,
        "<inner_thoughts>A bird?</inner_thoughts>" + CAPTION,
        "<seed:think>A bird?</seed:think>" + CAPTION,
        '<details type="reasoning" done="true"><summary>Thought</summary>A bird?</details>' + CAPTION,
        "[THINK]A bird?[/THINK]" + CAPTION,
        "◁think▷A bird?◁/think▷" + CAPTION,
        "<|thinking|>A bird?<|/thinking|>" + CAPTION,
        "<|startthink|>A bird?<|endthink|>" + CAPTION,
        "<|begin_of_thought|>A bird?<|end_of_thought|><|begin_of_solution|>"
        + CAPTION
        + "<|end_of_solution|>",
        "<|channel|>analysis<|message|>A bird?<|end|><|start|>assistant<|channel|>final<|message|>" + CAPTION,
        "analysisA bird?assistantfinal" + CAPTION,
        "<|channel>thought\nA bird?<channel|>" + CAPTION,
        "<unused94>thought\nA bird?<unused95>" + CAPTION,
        "<think>A bird?</think><answer>" + CAPTION + "</answer>",
        "<think>A bird?</think>\n<response>\n" + CAPTION,
        "<think>A bird?</think><answer><|begin_of_box|>" + CAPTION + "<|end_of_box|></answer>",
        "<|START_THINKING|>A bird?<|END_THINKING|><|START_RESPONSE|>" + CAPTION + "<|END_RESPONSE|>",
        "<think>A bird?</think>It may be a bird.<think>No.</think>" + CAPTION,
        CAPTION + "<think>Was that right? Yes.</think>",
        "<think>A bird?</think>" + CAPTION + "</think>",
        "<think>A bird?</think>" + CAPTION + "<think>Was that right?</think>",
        CAPTION,
    ],
)
def test_the_text_after_the_thoughts_is_the_answer(answer: str) -> None:
    """Or the text before them, if none follows. Tags around it are removed."""
    assert CAPTION == without_thinking(answer).strip()


@pytest.mark.parametrize(
    "answer",
    ["<think>A bird, or", " [THINK]A bird, or", "<|channel>thought\nA bird", "<think>A bird.</think>", ""],
)
def test_thoughts_alone_are_an_empty_answer(answer: str) -> None:
    """Even if they never end."""
    assert "" == without_thinking(answer).strip()


@pytest.mark.parametrize("answer", ["A sign reads <think> in red.", "<b>A kite.</b>", "A <answer> b"])
def test_other_tags_are_kept(answer: str) -> None:
    """The filter judges them."""
    assert answer == without_thinking(answer)
