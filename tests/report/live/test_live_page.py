"""`triptych report RUN --serve` in headless Chromium, while another process captions the run."""

from __future__ import annotations

import contextlib
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import triptych
from tests.report.conftest import Shown
from tests.report.live.conftest import REFUSAL, SETTINGS, SlowEndpoint, address_of
from triptych.runs.folder import RunFolder
from triptych.runs.human_verdicts import STORED, read_verdicts

Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make setup`")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def page(browser: sync_api.Browser) -> Iterator[sync_api.Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=False)
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    context.close()


def test_captions_appear_with_their_pictures_while_the_run_continues(
    page: sync_api.Page, start: Start, run_path: Path, endpoint: SlowEndpoint
) -> None:
    """From "not begun" to the end: with counts, throughput, pictures from a tar, and the server's error
    messages."""
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(address_of(start("report", run_path, "--serve", "--port", 0)))
    page.get_by_text("captions: not begun").wait_for()
    jobs = [part for job in SETTINGS["captioning.jobs"] for part in ("--job", job)]

    captioning = start("caption", run_path, "--server", endpoint.url, *jobs)
    page.locator(".at-work").wait_for()
    page.locator(".arrival").first.wait_for()
    assert captioning.poll() is None  # it is still running

    picture = page.locator(".arrival img[alt^='archive/']").first
    picture.wait_for()
    assert 0 < picture.evaluate("image => image.decode().then(() => image.naturalWidth)")
    page.locator(".live-failures", has_text=REFUSAL).wait_for()
    page.get_by_text("/s ·").first.wait_for()

    assert 0 == captioning.wait()
    page.locator(".at-rest").wait_for()
    page.get_by_text("captions: finished").wait_for()
    run = RunFolder.open(run_path)
    made = run.run_file.stages["captions"].notes["single_en.captioned"]
    page.locator(".live-jobs .bar", has_text=f"{made} of ").first.wait_for()

    page.get_by_role("link", name="draw again").click()
    page.locator(".card.single .text").first.wait_for()
    assert [] == trouble


def test_samples_that_take_long_to_draw_appear_by_themselves(
    page: sync_api.Page,
    served: Callable[[Path], str],
    own_run: Callable[[], tuple[RunFolder, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first page doesn't wait for them."""
    monkeypatch.setattr("triptych.report.live.samples.WAITS_S", 0.0)
    run, _ = own_run()
    page.goto(served(run.path))
    page.locator(".card").first.wait_for()


def test_a_page_that_is_opened_before_there_are_sets_shows_their_samples_later(
    page: sync_api.Page, served: Callable[[Path], str], own_run: Callable[[], tuple[RunFolder, Path]]
) -> None:
    """Until then it doesn't say that nothing failed or was rejected."""
    run, _ = own_run()
    run.reopen_stage("sets")
    page.goto(served(run.path))
    page.get_by_text("samples are shown here once the sets are made").wait_for()

    assert ["Live", "Identity"] == page.locator("h2").all_inner_texts()

    run.finish_stage("sets", {"took_s": 2.0, "sets": 1})
    page.locator(".card").first.wait_for()


def test_a_text_search_finds_images_with_the_runs_encoder(
    page: sync_api.Page, served: Callable[[Path], str], grouped: Path
) -> None:
    """All images are listed, nearest first, before any is captioned. A click shows the original from
    its tar."""
    page.goto(served(grouped / "run"))
    page.get_by_label("search all images by words").fill("a red house under a blue sky")
    page.get_by_role("button", name="Search").click()
    page.locator(".found-images figure").nth(11).wait_for()
    with triptych.open_run(grouped / "run", read_only=True) as run:
        expected = [each.key for each in run.search("a red house under a blue sky", count=60)]
    names = page.locator(".found-images .name").all_inner_texts()

    assert expected == names
    assert {f"archive/{n}{m}.png" for n in (0, 1) for m in (0, 1, 2)} <= set(names)

    page.locator(".found-images img[alt^='archive/']").first.click()
    large = page.locator(".lightbox img")

    assert 336 == large.evaluate("image => image.decode().then(() => image.naturalWidth)")


def test_verdicts_are_stored_in_the_run_and_shown_again(
    page: sync_api.Page, served: Callable[[Path], str], own_run: Callable[[], tuple[RunFolder, Path]]
) -> None:
    """Each is a line that stays. In any browser, the last verdict on an item counts."""
    run, _ = own_run()
    address = served(run.path)
    page.goto(address)
    stored = run.path / STORED
    lines = 0
    for key in (
        "j",
        "g",
        "b",
        "k",
        "4",
        "u",
    ):  # the set good; multi_en bad, then bad for a reason; nothing to undo on the next
        with page.expect_response("**/verdicts") if key not in "jku" else contextlib.nullcontext():
            page.keyboard.press(key)
        lines += key in "gb4"

    assert lines == len(stored.read_text("utf-8").splitlines())
    verdicts = {each.kind: (each.verdict, each.reason) for each in read_verdicts(stored).verdicts}
    assert {"set": ("good", ""), "multi_en": ("bad", "wrong text")} == verdicts

    page.evaluate("localStorage.clear()")
    page.goto(address)

    assert "1 good 1 bad" == page.locator(".tally").inner_text()


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"status": 503, "body": "run.json is damaged"}, "run.json is damaged"),
        ({"status": 404}, "This address is no longer valid: use the one that the server printed."),
        (None, "No answer from the server (Failed to fetch): it has ended, or can't be reached."),
    ],
)
def test_the_page_shows_why_it_gets_no_updates(
    page: sync_api.Page,
    served: Callable[[Path], str],
    nasty_run: Shown,
    answer: dict[str, object] | None,
    shown: str,
) -> None:
    """Even while cards are searched."""
    page.route("**/state?*", lambda route: route.abort() if answer is None else route.fulfill(**answer))
    page.goto(served(nasty_run.run.path))
    page.get_by_label("search captions and names").fill("nothing says this")

    sync_api.expect(page.locator(".live-status")).to_have_text(shown)
    assert page.locator("#live").is_visible()


def test_an_original_is_requested_with_its_shard(
    page: sync_api.Page, served: Callable[[Path], str], nasty_run: Shown
) -> None:
    """So the server reads only one list of images in a run of millions."""

    def with_one_more(route: sync_api.Route) -> None:
        answer = route.fetch()
        caption = {"id": "single_en:new.png", "job": "single_en", "text": "New."}
        new = {"number": 1000, "shard": "new", "caption": caption}
        route.fulfill(response=answer, json=answer.json() | {"captions": [new]})

    page.route("**/state?*", with_one_more)
    page.goto(served(nasty_run.run.path))
    with page.expect_request("**/picture?key=new.png&shard=new"):
        page.locator(".arrival .enlarge").first.dispatch_event("click")


def test_requests_without_the_token_are_answered_with_404(
    served: Callable[[Path], str], nasty_run: Shown
) -> None:
    """With it, the server accepts only verdicts, and returns only images of the run."""
    address = served(nasty_run.run.path)
    base = address.rsplit("/", 2)[0]

    def status(path: str, body: bytes | None = None) -> int:
        try:
            return int(urllib.request.urlopen(urllib.request.Request(path, body)).status)
        except urllib.error.HTTPError as error:
            return error.code

    assert [404] * 4 == [status(f"{base}/{path}") for path in ("", "state", "wrong/state", "/state")]
    assert [404, 404] == [status(f"{address}{path}", b"{}") for path in ("state", "picture?key=copy.png")]
    assert [400, 400] == [status(f"{address}verdicts", body) for body in (b"{}", b"nonsense")]
    assert [404, 404, 404, 400, 400, 400] == [
        status(f"{address}picture?{query}")
        for query in (
            "key=../run.json",
            "key=broken.png",
            "key=%20copy.png",
            "key=%20",
            "side=9",
            "key=copy.png&side=x",
        )
    ]
    assert 200 == status(f"{address}picture?key=copy.png&side=20")
    assert not (nasty_run.run.path / STORED).exists()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1440), ("light", 390), ("dark", 1024), ("dark", 390)]
)
def test_axe_finds_no_accessibility_problem_on_the_live_page(
    browser: sync_api.Browser, served: Callable[[Path], str], nasty_run: Shown, scheme: str, width: int
) -> None:
    """With captions that have arrived and are long, and with failures."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(served(nasty_run.run.path))
    page.locator(".arrival .text").first.wait_for()
    page.locator(".live-failures .example").first.wait_for()

    page.add_style_tag(content=".arrival .text { max-height: 2em }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    context.close()

    assert [] == [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found]


def test_verdicts_that_the_server_could_not_store_are_sent_again(
    page: sync_api.Page, served: Callable[[Path], str], own_run: Callable[[], tuple[RunFolder, Path]]
) -> None:
    """When it answers again, and also after the page was loaded anew. Until then the page says so."""
    run, _ = own_run()
    address = served(run.path)
    stored = run.path / STORED
    question = page.locator(".question")
    page.goto(address)
    page.route("**/state?*", lambda route: route.abort())
    page.route("**/verdicts", lambda route: route.abort())
    page.keyboard.press("j")
    page.keyboard.press("g")

    sync_api.expect(question).to_have_text("1 verdict not stored in the run yet: the server doesn't answer.")
    assert not stored.exists()

    page.reload()
    page.unroute("**/verdicts")
    page.unroute("**/state?*")
    with page.expect_response("**/verdicts"):
        pass

    assert ["good"] == [each.verdict for each in read_verdicts(stored).verdicts]
    sync_api.expect(question).not_to_contain_text("not stored")


def test_a_run_without_a_process_has_no_pace(
    page: sync_api.Page, served: Callable[[Path], str], nasty_run: Shown
) -> None:
    """The last minute's pace says nothing about a process that was killed."""
    job = {"job": "single_en", "planned": 9, "captioned": 3, "failed": 0, "left": 6}
    paced = job | {"answers_per_s": 2.0, "left_s": 3.0}
    at_work = "process 1 on a"

    def answer(route: sync_api.Route) -> None:
        state = route.fetch().json()
        other = job | {"job": "multi_en", "answers_per_s": None, "left_s": None}
        route.fulfill(json=state | {"at_work": at_work, "jobs": [paced, other]})

    page.route("**/state?*", answer)
    page.goto(served(nasty_run.run.path))
    rows = page.locator(".live-jobs")

    sync_api.expect(rows).to_contain_text("3 of 9 · 2.0/s · 3 s left")
    assert "At work · more than 3 s left" in page.locator(".live-status").inner_text()

    at_work = ""

    sync_api.expect(rows).not_to_contain_text("/s")
    assert "left" not in page.locator(".live-status").inner_text()
