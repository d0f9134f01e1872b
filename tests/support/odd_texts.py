"""Texts that are slow to match: pieces that rules search for, repeated many times.

Goes out: fixed texts and a hypothesis strategy, none longer than MAX_BYTES, for tests and the benchmark
of the slowest text.
"""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

MAX_BYTES = 20_000

PIECES = [
    *" a1-*#.,;:!?()[]{}<>|`\"'“”「」\n\t\\/@&%$=+~^_①é한ж🙂\u0301\u200b\ufffd\ud800",
    *"第张图一二两的船，。、；：？！（）《》…—",
    "image", "Image 1 ", "Image-1, ", "the first ", "the first image ", "images 1, 2 and ", "the last two ",
    "first, second and ", "1st 2nd 3rd ", "one ", "another ", "the left ", "both ", "these two images ",
    "in the morning, ", "the same ", "then ", "two of the images ", "and two ", "one of ", "four of the ",
    "the one in ", "seen from a ", "清晨，", "其一", "同一", "P1是", "甲图", "倒数第二张", "两张都", "前者",
    "第一张图片", "第一、", "图1和", "图一", "前两张", "这两张图片", "左图", "每张", "一张图", "十一",
    "1. x 2. ", "**", "__", "|a|", "[a](", "```", "<p>", "</p><p>", "- a\n", "(a) ", "①②", "a, b, ", "\\n",
    "I am ", "i'd ", "I cannot ", "please ", "as an ", "as an a b ", "sorry but ", "no image ", "the user ",
    "here is a ", "here is the a a a ", "note: ", "based on the ", "do not ", "what is seen ", "unable to ",
    "作为", "我", "无法", "以下是", "如果", "请", "描述", "好的，", "根据您", "生成", "没有看到", "避免",
    "the one that follows ", "(first and ", "image one and two, ", "the four images ", "the lower two ",
    "the other ", "four photos; the fourth photo ", "objects: ", "reads 一",
    "before: a. ", "after, ", "another. one. ", "最先出现的是一只",
    "挂着五张照片，第六张", "第一组图片", "另一张", "写着雲",
    "perhaps ", "seems ", "may ", "可能", "看起来", "is that of the ", "une maison sur la ",
    "une maison sur la rue. ", "der die das ",
    "<|im", "<|", "&#12", "\\u12", "Ã©", "锟斤拷", "abab", "ab", "12 34 56 78 ", "12345", "+1 2 3 ", "010-",
    "a@b.c", "a.", "@", "two men ", "两名", "2个", "'a ", "\"a", "“a", "「", "“”", "a'", "'", "車門馬",
]  # fmt: skip


def fixed_texts() -> Iterator[str]:
    """Each piece repeated; each with another piece in turns; each repeated, followed by another."""
    for piece in PIECES:
        yield cut(piece * MAX_BYTES)
    for at, piece in enumerate(PIECES):
        other = PIECES[(at * 7 + 3) % len(PIECES)]
        yield cut((piece + other) * MAX_BYTES)
        yield cut(piece * (MAX_BYTES // 2 // len(piece.encode("utf-8", "surrogatepass"))) + other * MAX_BYTES)


@st.composite
def drawn_texts(draw: st.DrawFn) -> str:
    """A few pieces, each repeated many times, and all of that repeated."""
    parts = draw(
        st.lists(
            st.tuples(st.sampled_from(PIECES) | st.text(max_size=12), st.integers(1, 4000)),
            min_size=1,
            max_size=6,
        )
    )
    text = "".join(piece * times for piece, times in parts)
    return cut(text * (1 + MAX_BYTES // max(len(text), 1)))


def cut(text: str) -> str:
    """``text``, cut to MAX_BYTES."""
    encoded = text[:MAX_BYTES].encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_BYTES:
        return text[:MAX_BYTES]
    share = MAX_BYTES / len(encoded)
    return text[: int(len(text[:MAX_BYTES]) * share)]
