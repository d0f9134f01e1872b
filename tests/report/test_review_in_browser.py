"""Reviewing in headless Chromium: with keys and clicks, with corrected text, and two runs blindly."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.conftest import BREAKS_OUT, PROMPTS, Shown
from tests.support.browser import Visit
from tests.support.contexts import context_of
from triptych.records import Caption
from triptych.report.identity import report_id
from triptych.report.precision import precisions
from triptych.report.write_report import write_report
from triptych.runs.folder import RunFolder
from triptych.runs.human_verdicts import digest_of_text, read_verdicts
from triptych.runs.journal import JournalWriter
from triptych.sources.opening import open_sources

Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make setup`")


def test_keys_judge_items_and_the_browser_stores_the_verdicts(visit: Visit) -> None:
    """g and b judge and move to the next item, arrows and j and k move, u withdraws."""
    page = visit.page
    for key in ("j", "g", "b", "ArrowRight", "b", "ArrowLeft", "u", "k", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    sync_api.expect(page.locator(".tally")).to_have_text("1 good 1 bad")
    page.wait_for_timeout(1000)  # Chromium writes the page's storage in another process
    page.reload()

    assert ["set", "multi_en"] == [row["kind"] for row in downloaded(page)]
    assert ["good", "bad"] == [row["verdict"] for row in downloaded(page)]
    assert "1 good 1 bad" == page.locator(".tally").inner_text()
    assert 1 == page.locator(".unit.is-good").count() == page.locator(".unit.is-bad").count()


def test_a_precision_is_computed_from_downloaded_verdicts(
    visit: Visit, nasty_run: Shown, tmp_path: Path
) -> None:
    """From the keys to the counts."""
    for key in "jggggggb":
        visit.page.keyboard.press(key)
    path = tmp_path / "verdicts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in downloaded(visit.page)), "utf-8")
    found = precisions(read_verdicts(path, report_id(nasty_run.run)).verdicts)

    assert {"set": (1, 1), "multi_en": (1, 1)} == {p.kind: (p.good, p.judged) for p in found[:2]}
    assert 7 == sum(p.judged for p in found)
    assert 6 == sum(p.good for p in found)


def test_a_click_judges_an_item(visit: Visit) -> None:
    """A phone has no keyboard."""
    visit.page.locator(".card.set > header .judge.bad").click()

    assert [("set", "bad")] == [(row["kind"], row["verdict"]) for row in downloaded(visit.page)]


def test_a_click_on_a_caption_makes_it_the_current_item(visit: Visit) -> None:
    """Not the set to which it belongs."""
    visit.page.locator(".card.set .caption.unit .text").first.click()
    visit.page.keyboard.press("g")

    assert [("multi_en", "good")] == [(row["kind"], row["verdict"]) for row in downloaded(visit.page)]


@pytest.mark.parametrize(("begun", "key"), [("", "g"), ("jjgk", "b"), ("jjgk", "u"), ("jjgk", "e")])
def test_items_hidden_by_a_search_are_not_judged(visit: Visit, begun: str, key: str) -> None:
    """The key moves to a visible item instead."""
    page = visit.page
    for each in begun:
        page.keyboard.press(each)
    before = downloaded(page)
    page.get_by_role("searchbox").fill("single a.png")
    page.get_by_role("searchbox").blur()
    page.keyboard.press(key)

    assert page.locator(".unit.current").is_visible()
    assert before == downloaded(page)
    assert 0 == page.locator("textarea").count()


def test_arrows_scroll_a_focused_text_that_is_too_long(visit: Visit) -> None:
    """If the whole text is visible, they move to another item."""
    page = visit.page
    text = page.locator(".rejected > .text").first
    where = page.locator(".where")
    page.keyboard.press("j")
    before = where.inner_text()
    text.evaluate("node => { node.style.maxHeight = '2em'; node.focus(); }")
    page.keyboard.press("ArrowDown")

    assert before == where.inner_text()

    text.evaluate("node => { node.style.maxHeight = 'none'; }")
    page.keyboard.press("ArrowDown")

    assert before != where.inner_text()


def test_escape_and_a_button_close_the_list_of_keys(visit: Visit) -> None:
    """While it is open, no key judges an item."""
    page = visit.page
    keys = page.get_by_role("dialog", name="keys")
    for leave in (lambda: page.keyboard.press("Escape"), keys.get_by_label("close").click):
        for key in "?jg":
            page.keyboard.press(key)
        sync_api.expect(keys).to_be_visible()
        leave()
        sync_api.expect(keys).to_be_hidden()

    assert [] == downloaded(page)


def test_a_bad_caption_can_have_a_reason_and_corrected_text(visit: Visit) -> None:
    """The reason is chosen with a button or number. The text is edited in place and never becomes markup."""
    page = visit.page
    caption = page.locator(".caption.unit").first
    caption.get_by_role("button", name="bad:").click()
    caption.get_by_role("button", name="wrong count").click()
    caption.get_by_role("button", name="edit").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("A <b>gb</b> crab.")
    caption.get_by_role("button", name="Keep").click()

    assert "A <b>gb</b> crab." == caption.locator(".edited").inner_text()

    page.reload()
    (row,) = downloaded(page)

    assert ("bad", "wrong count", "A <b>gb</b> crab.") == (row["verdict"], row["reason"], row["text"])
    assert "A <b>gb</b> crab." == page.locator(".edited").inner_text()
    assert digest_of_text(BREAKS_OUT) == row["of"]

    page.locator(".caption.unit").first.get_by_role("button", name="good:").click()

    assert ("good", "") == (downloaded(page)[0]["verdict"], downloaded(page)[0]["reason"])


def test_two_runs_are_compared_blindly(
    browser: sync_api.Browser, own_run: Callable[[], tuple[RunFolder, Path]], tmp_path: Path
) -> None:
    """Both captioned the same images. Their names appear after the vote, and the votes give a win rate."""
    run, images = own_run()
    other = RunFolder.open(Path(shutil.copytree(run.path, tmp_path / "other")))
    ids = [caption.id for caption in run.captions("single_en", "files-00000")]
    with JournalWriter(other.captions_file("single_en", "files-00000")) as journal:
        journal.commit([Caption(id=each, job="single_en", text="Another.") for each in ids])
    contexts = [context_of(each, prompts=PROMPTS) for each in (run, other)]
    written = write_report(contexts[0], open_sources([images]), [], other=contexts[1])
    visit = Visit(browser, written.path, bypass_csp=True)
    try:
        page = visit.page
        cards = page.locator(".pair-card")
        english = cards.filter(has_text="Another.")

        assert (13, 6) == (cards.count(), english.count())
        assert 13 == page.locator(".pair-card a.ordinal").count()
        assert not page.locator(".whose").first.is_visible()
        assert 6 == english.locator("img").count()

        for at in range(6):
            sides = english.nth(at).locator(".side .text").all_inner_texts()
            label = ["first", "second"][sides.index("Another.")]
            english.nth(at).get_by_role("button", name=f"{label} is better").click()

        assert "run is better in 0 of 6: 0%, 95% interval 0% to 39%" == page.locator(".win-rate").inner_text()
        assert {"run", "other"} == set(english.first.locator(".whose").all_inner_texts())
        assert english.first.locator(".whose").first.is_visible()
        assert "0 good 0 bad" == page.locator(".tally").inner_text()

        cards.filter(has_not_text="Another.").first.get_by_role("button", name="equal").click()

        assert page.locator(".win-rate").inner_text().endswith("; 1 equal")

        path = tmp_path / "v.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in downloaded(page)), "utf-8")
        (found,) = precisions(read_verdicts(path, report_id(run)).verdicts)

        assert (f"beside: {report_id(other)}", 0, 6) == (found.kind, found.good, found.judged)
        assert [] == [each["id"] for each in Axe().run(page).response["violations"]]
        assert [] == visit.trouble
    finally:
        visit.context.close()


def downloaded(page: sync_api.Page) -> list[dict]:
    """The verdicts in the downloaded file."""
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download").click()
    return [json.loads(line) for line in Path(caught.value.path()).read_text("utf-8").splitlines()]
