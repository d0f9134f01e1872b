"""An engine that captions drawn scenes in Japanese and English, and the config of a run that uses it.

Comes in: requests of the jobs of ``CONFIG``. Goes out: varied captions. Every fourth request of a job first
gets a bad answer, in Chinese or without the name of an image, and a good one when it is repeated. Not its
job: HTTP (see chat_server), describing what the picture shows.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.captioning.engine import CaptionRequest, Completion

PROMPTS = {
    "single_ja": "画像の内容を、改行のない一つの段落で正確に説明してください。",
    "multi_ja": (
        "複数の画像の内容を、一つの段落で正確に説明してください。"
        "各画像の説明は「画像1：」のように、その名前とコロンで始めてください。"
    ),
    "short_en": "Describe the image in one short sentence.",
}
NAMING = """
[naming]
label = "画像{number}"
pattern = '画像\\d+'
"""
CONFIG = """
[embedding]
model = "builtin:nano-clip"

[captioning]
tile_px = 112
max_tiles = 1
jobs = ["single_ja", "multi_ja", "single_en", "short_en"]

[[jobs]]
name = "single_ja"
subject = "image"
language = "ja"
prompt = "{folder}/single_ja.toml"

[[jobs]]
name = "multi_ja"
subject = "set"
language = "ja"
prompt = "{folder}/multi_ja.toml"

[[jobs]]
name = "short_en"
subject = "image"
language = "en"
prompt = "{folder}/short_en.toml"

[export]
prefix = "drawn"
"""

_PLACES = (
    "晴れた日の砂浜を写した一枚で、手前には白い波が静かに打ち寄せている。",
    "夕暮れの港の風景で、空は橙色から紫色へとゆっくり移り変わっている。",
    "雪に覆われた山あいの村が広がり、屋根にも道にも厚く雪が積もっている。",
    "緑の牧草地が続き、なだらかな丘の向こうの空に薄い雲がかかっている。",
    "秋の公園で、赤や黄色に色づいた落ち葉が芝生の上に散らばっている。",
    "朝の湖畔であり、水面には周りの木々の影がはっきりと映り込んでいる。",
)
_THINGS = (
    "中央には赤い凧があり、長い尾を風になびかせながら高く揚がっている。",
    "左側には青い屋根の小さな家が建ち、窓辺に花の鉢が並べられている。",
    "右側には白い帆船が一隻見え、三角形の帆を大きく張って進んでいく。",
    "近くには茶色の犬が座り、首に緑色の布を巻いて正面を向いている。",
    "奥には石造りの灯台が立ち、赤と白の縞模様がよく目立っている。",
    "中ほどに木のベンチが置かれ、その上に黄色い傘が立てかけられている。",
    "下のほうには細い小道が伸び、その両脇を低い柵がふさいでいる。",
)
_PEOPLE = (
    "帽子をかぶった子どもが二人、その様子を並んで眺めている。",
    "紺色の上着を着た男性が一人、ゆっくりと歩いているのが見える。",
    "人の姿はどこにも見当たらず、あたりはとても静かである。",
    "遠くで数人の人々が集まり、楽しそうに話をしている。",
    "長い髪の女性がこちらに背を向けて腰を下ろしている。",
)
_LIGHT = (
    "光は左上から柔らかく差し込み、短い影が地面に落ちている。",
    "全体に明るく、色の対比がはっきりした画面になっている。",
    "淡い色合いでまとめられ、落ち着いた雰囲気が伝わってくる。",
    "逆光のため、ものの輪郭がくっきりと浮かび上がっている。",
)
_ENGLISH = (
    ("On a sunny beach", "Beside a quiet harbour", "In a snowy village", "Across a green meadow",
     "In an autumn park", "By a calm lake"),
    ("a red kite flies high above", "a small house with a blue roof stands near", "a white boat sails past",
     "a brown dog sits in front of", "a striped lighthouse rises behind", "an old bench stands next to"),
    ("two children in yellow hats", "a man in a dark coat", "a low wooden fence", "a row of tall trees",
     "a heap of round stones"),
    ("while soft light falls from the left.", "and long shadows reach across the ground.",
     "under a pale sky without any clouds.", "with a line of distant hills behind it."),
)  # fmt: skip
_MORE_ENGLISH = (
    "The colours are bright, and every outline is clear against the background.",
    "The ground in front is bare except for some patches of short grass.",
    "A narrow path leads from the lower edge of the picture to the middle.",
    "Several birds can be seen in the distance, close to the horizon.",
)
_CHINESE = "图中是一片晴朗的沙滩，白色的海浪轻轻拍打着岸边，远处有一艘帆船正在缓缓驶过。"


def write_config(folder: Path) -> Path:
    """Write the config file and the prompts that it names to ``folder``."""
    for name, text in PROMPTS.items():
        naming = NAMING if name == "multi_ja" else ""
        (folder / f"{name}.toml").write_text(f'version = 1\ntext = "{text}"\n{naming}', "utf-8")
    path = folder / "japanese.toml"
    path.write_text(CONFIG.replace("{folder}", str(folder)), "utf-8")
    return path


class JapaneseEndpoint:
    """An engine for ChatServer. It tells jobs apart by their prompts."""

    group_size = concurrency = slots = 4

    def __init__(self) -> None:
        self.identity: Mapping[str, str] = {}
        self._seen: set[str] = set()
        self._counts = {prompt: itertools.count() for prompt in PROMPTS.values()}

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """One completion for each request."""
        return [self._answer(request) for request in requests]

    def slot_s(self) -> float:
        """Not measured."""
        return 0.0

    def describe(self) -> str:
        """The engine's name in messages."""
        return "Japanese"

    def close(self) -> None:
        """There is nothing to close."""

    def _answer(self, request: CaptionRequest) -> Completion:
        digest = hashlib.blake2b(request.prompt.encode(), digest_size=8)
        for image in request.images:
            digest.update(image)
        text = _text(request, random.Random(digest.hexdigest()))
        is_first = digest.hexdigest() not in self._seen
        self._seen.add(digest.hexdigest())
        if is_first and request.prompt in self._counts and next(self._counts[request.prompt]) % 4 == 0:
            text = _spoilt(request, text)
        words = len(text) // 2
        return Completion(
            id=request.id, text=text, finish_reason="stop", prompt_tokens=99, completion_tokens=words
        )


def _text(request: CaptionRequest, rng: random.Random) -> str:
    if request.prompt == PROMPTS["multi_ja"]:
        return _of_a_set(len(request.images), rng)
    if request.prompt == PROMPTS["single_ja"]:
        return "".join(rng.choice(pool) for pool in (_PLACES, _THINGS, _PEOPLE, _LIGHT))
    sentence = " ".join(rng.choice(pool) for pool in _ENGLISH)
    if request.prompt == PROMPTS["short_en"]:
        return sentence
    return " ".join([sentence, *rng.sample(_MORE_ENGLISH, 2)])


def _of_a_set(image_count: int, rng: random.Random) -> str:
    places, things = rng.sample(_PLACES, image_count), rng.sample(_THINGS, image_count)
    parts = [
        f"画像{n}：{place}{thing}" for n, (place, thing) in enumerate(zip(places, things, strict=True), 1)
    ]
    return f"{''.join(parts)}いずれの画像も屋外の風景だが、写っているものと色合いが互いに異なる。"


def _spoilt(request: CaptionRequest, text: str) -> str:
    """A bad answer, as models give it: in the language that they know best, or without a name."""
    if request.prompt == PROMPTS["multi_ja"]:
        return text.replace("画像1：", "")
    return _CHINESE
