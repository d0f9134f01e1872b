"""Images that can't be captioned, and endpoints that fail, in a small run."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from tests.support.chat_server import ChatServer
from tests.support.made_up_run import make_up_run
from tests.support.small_run import PLANNED, SmallRun, changed, picture
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import SetupError
from triptych.runs.folder import RunFolder


@pytest.mark.parametrize("when", ["before the sources are listed", "after the sources are listed"])
def test_a_missing_image_is_a_recorded_failure(
    small_run: SmallRun, config: CaptioningConfig, when: str
) -> None:
    """So is the set that contains it. Everything else is captioned."""
    sources = small_run.sources if when.startswith("after") else None
    (small_run.pile / "loose" / "p1.png").unlink()

    small_run.caption(config, sources)

    failures = [row.failure for row in small_run.rows().values() if row.failure]
    assert ["unreadable image: loose/p1.png: No such file or directory"] * 4 == failures
    assert sum(PLANNED.values()) == len(small_run.rows())


def test_a_changed_image_is_a_recorded_failure(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Its caption would describe a picture that was never grouped."""
    picture(999).save(small_run.pile / "loose" / "p4.png")

    small_run.caption(config)

    failures = {row.id: row.failure for row in small_run.rows().values() if row.failure}
    reason = "changed image: loose/p4.png: its bytes are not those that were grouped"
    assert {"single_en:loose/p4.png": reason, "single_zh:loose/p4.png": reason} == failures


def test_failures_stay_until_a_retry_is_requested(small_run: SmallRun, config: CaptioningConfig) -> None:
    """retry_failed removes them from the journals and asks again. Captions stay."""
    image = small_run.pile / "loose" / "p4.png"
    content = image.read_bytes()
    picture(999).save(image)
    small_run.caption(config)
    captioned = {id_: row for id_, row in small_run.rows().items() if row.failure is None}
    image.write_bytes(content)

    assert small_run.caption(config) is False
    assert small_run.caption(changed(config, retry_failed=True)) is True

    rows = small_run.rows()
    assert captioned.items() <= rows.items()
    assert [] == [row for row in rows.values() if row.failure]
    assert small_run.caption(changed(config, retry_failed=True)) is False


def test_a_lost_endpoint_leaves_the_stage_unfinished(
    small_run: SmallRun, chat_server: ChatServer, config: CaptioningConfig
) -> None:
    """Captions stay, and nothing is recorded as failed, so that the same command can continue."""
    config = CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        max_in_flight=1,
        patience_s=0.5,
        tile_px=112,
        max_tiles=1,
        max_tokens_single=4,
        ask_again=0,
    )
    answer = chat_server.complete

    def answer_five_times(payload: dict[str, object]) -> dict[str, object]:
        if len(chat_server.payloads) == 5:
            chat_server.stop()
        return answer(payload)

    chat_server.complete = answer_five_times

    with pytest.raises(SetupError, match=r"gave no answer for 0\.5 s.*captions so far stay"):
        small_run.caption(config)

    assert not small_run.run.is_finished("captions")
    assert 5 == len(small_run.rows())
    assert [] == [row for row in small_run.rows().values() if row.failure]


def test_a_request_that_is_too_long_is_sent_again_with_half_its_tiles(
    chat_server: ChatServer, tmp_path: Path
) -> None:
    """Once, which the row records. If that is too long as well, it is a failure."""
    made_up = make_up_run(tmp_path, 1)
    chat_server.mishaps.extend(["too long", "too long", "too long"])
    config = CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        tile_px=112,
        max_tiles=12,
        max_tokens_single=2,
        ask_again=0,
    )
    small = SmallRun(RunFolder.open(made_up.path), made_up.pile)
    with pytest.raises(SetupError, match=r"single_en: not one of 1 answers is of use.*too long"):
        small.caption(changed(config, jobs=("single_en",)))
    small.caption(changed(config, jobs=("single_zh",)))
    failed = made_up.rows("single_en")[0]
    captioned = made_up.rows("single_zh")[0]

    content = chat_server.payloads[0]["messages"][0]["content"]
    with Image.open(io.BytesIO(base64.b64decode(content[0]["image_url"]["url"].partition(",")[2]))) as sent:
        assert (3 * 112, 2 * 112) == sent.size
    assert (("too long",), 2) == (failed.asked_again, failed.attempts)
    assert (failed.failure or "").startswith("too long: ")
    assert (("too long",), 2, None) == (captioned.asked_again, captioned.attempts, captioned.failure)
