"""What the page shows when its file is opened in headless Chromium."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.conftest import BREAKS_OUT, CLOSES_SCRIPT, DEGREES, PROMPTS, Shown
from tests.report.test_screens import OwnRun, screened_run
from tests.support.browser import Visit
from tests.support.contexts import context_of
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule import Rule
from triptych.filtering.scoring import Scorer
from triptych.filtering.stage import filter_jobs
from triptych.records import Caption
from triptych.report.write_report import write_report
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make setup`")


def test_the_page_opens_without_requests_or_errors(visit: Visit, nasty_run: Shown) -> None:
    """Only the file itself is read."""
    visit.page.wait_for_load_state("networkidle")

    assert [] == visit.trouble
    assert [nasty_run.written.path.as_uri()] == [url for url in visit.requests if not url.startswith("data:")]


def test_every_picture_is_shown(visit: Visit) -> None:
    """Each is decoded and has pixels."""
    widths = visit.page.eval_on_selector_all(
        "main img", "images => Promise.all(images.map(i => i.decode().then(() => i.naturalWidth)))"
    )

    assert len(DEGREES) <= len(widths)
    assert 0 < min(widths)


def test_captions_and_names_are_shown_as_text(visit: Visit) -> None:
    """They add no element, script or event handler to the document."""
    page = visit.page

    assert BREAKS_OUT == page.locator(".set .caption .text").first.evaluate("node => node.textContent")
    assert 0 < page.get_by_text(CLOSES_SCRIPT, exact=True).count()
    assert (None, 2, 0, 0) == (
        page.evaluate("window.broken ?? null"),
        page.evaluate("document.scripts.length"),
        page.locator("[onclick], [onerror]").count(),
        page.locator("img[src=x]").count(),
    )


def test_the_sums_of_the_funnel_are_shown_and_add_up(visit: Visit) -> None:
    """One for images and one for each of the four jobs."""
    sums = visit.page.locator("#funnel .equation").all_inner_texts()

    assert "8 found = 3 in sets + 3 single + 1 duplicates + 1 unreadableadds up" == sums[0]
    assert "6 planned = 5 kept + 0 rejected + 1 failedadds up" == sums[2]
    assert 5 == len(sums) == visit.page.locator("#funnel .closes").count()


def test_counts_are_shown_beside_their_items(visit: Visit) -> None:
    """Images in sets are captioned individually, too; a caption may be rejected by several rules."""
    page = visit.page

    assert "Images\n6" == page.locator("nav a[href='#singles']").inner_text()
    assert (
        page.locator("#singles .section-head p")
        .inner_text()
        .startswith("All 6 images, in sets or not, with their captions.")
    )
    assert "run time" in page.locator(".key-numbers").inner_text()
    assert (
        "Single English 1 rejected, 0 by this rule alone."
        == page.locator(".without-threshold").last.inner_text()
    )


def test_pictures_are_visible_without_scrolling(visit: Visit) -> None:
    """A click on one leads to the card of its set."""
    first = visit.page.locator(".contact img").first

    assert visit.page.viewport_size["height"] > first.bounding_box()["y"] + first.bounding_box()["height"]

    visit.page.locator(".contact").first.click()
    card = visit.page.locator(".card:target")

    assert 1 == card.count()
    assert card.locator("img").first.get_attribute("src") == first.get_attribute("src")


def test_the_address_of_a_card_leads_to_it(browser: sync_api.Browser, nasty_run: Shown) -> None:
    """Whatever characters its name contains. Each card has a link to itself."""
    visit = Visit(browser, nasty_run.written.path)
    try:
        ids = visit.page.eval_on_selector_all("main .card", "cards => cards.map(card => card.id)")
        links = visit.page.eval_on_selector_all(
            "main .card", "cards => cards.map(card => card.querySelector('a.ordinal').getAttribute('href'))"
        )
        last = visit.page.locator(".card.rejected a.ordinal").last.get_attribute("href")
        visit.page.goto("about:blank")  # otherwise the browser restores the scroll position
        visit.page.goto(nasty_run.written.path.as_uri() + last)

        assert len(ids) == len(set(ids))
        assert [f"#{each}" for each in ids] == links
        sync_api.expect(visit.page.locator(".card.rejected").last).to_be_in_viewport(timeout=30_000)
    finally:
        visit.context.close()


def test_the_words_that_a_rule_objects_to_are_marked(
    browser: sync_api.Browser, own_run: Callable[[], tuple[RunFolder, Path]]
) -> None:
    """The text itself is unchanged, and a search finds words next to a mark."""
    run, _ = own_run()
    context = context_of(run, prompts=PROMPTS)
    rule = Rule(name="too_short", measure=lambda caption: "🦀" in caption.text, threshold=0, likely_cause="")
    scorer = Scorer(FilteringConfig(), filter_jobs(context), [rule])
    visit = Visit(browser, write_report(context, [], [], scorer).path)
    try:
        rejected = visit.page.locator(".card.rejected > .text").first

        assert ["🦀"] == rejected.locator("mark.objection").all_inner_texts()
        assert "too short" == rejected.locator("mark").get_attribute("title")
        assert BREAKS_OUT == rejected.evaluate("node => node.textContent")
        assert 0 == visit.page.locator(".state-kept mark").count()

        visit.page.get_by_role("searchbox").fill("quotes")

        assert 0 < visit.page.evaluate("CSS.highlights.get('found').size")
    finally:
        visit.context.close()


def test_a_slider_shows_the_effect_of_another_threshold(visit: Visit) -> None:
    """In single_en, one caption with 4 words is caught, which another rule rejects as well; five have 15
    words."""
    slider = visit.page.get_by_label("too short, Single English: another threshold")
    effect = visit.page.locator(".curve", has=slider).locator(".effect")

    assert "10 as set: 1 caught, 0 by this rule alone" == effect.inner_text()

    slider.fill("-6")

    assert "4: 0 caught, the same captions kept" == effect.inner_text()

    slider.fill("6")

    assert "16: 6 caught, 5 more captions rejected" == effect.inner_text()


def test_a_slider_shows_how_many_images_another_threshold_would_leave_out(
    browser: sync_api.Browser, own_run: OwnRun
) -> None:
    """For a screen that is off, the effect if it were on, with thumbnails of examples."""
    opened = Visit(browser, screened_run(own_run).written.path)
    blurred = opened.page.locator(".screen", has_text="Blurred")
    effect = blurred.locator("output")

    assert "50, if it were on: 1 beyond it, 1 more image left out" == effect.inner_text()
    blurred.locator("input[type=range]").fill("-6")
    assert "20, if it were on: 0 beyond it, the same images left out" == effect.inner_text()
    assert 1 == blurred.locator(".screened img").count()
    assert (
        "4.0 as set: 1 beyond it, 1 by this screen alone"
        == opened.page.locator(".screen", has_text="Nearly uniform").locator("output").inner_text()
    )
    assert [] == opened.trouble
    opened.context.close()


def test_the_map_shows_what_became_of_each_image(
    visit: Visit, browser: sync_api.Browser, own_run: OwnRun
) -> None:
    """Also whether a caption of it was rejected."""
    screened = Visit(browser, screened_run(own_run).written.path)

    def kind(page: sync_api.Page, key: str) -> str:
        points = "(all, key) => all.find(point => point.title === key).className"
        return page.locator(".point").evaluate_all(points, key).removeprefix("point ")

    assert "is-in-set is-rejected" == kind(visit.page, CLOSES_SCRIPT)
    assert "is-duplicate" == kind(visit.page, "copy.png")
    assert ["is-single", "is-single is-rejected"] == [
        kind(visit.page, f"single {each}.png") for each in ("a", "b")
    ]
    assert "is-screened" == kind(screened.page, "single b.png")
    screened.context.close()


def test_the_first_screen_mixes_the_tightest_sets_with_random_ones(visit: Visit) -> None:
    """It says which are which, and is filled up with single images."""
    labels = visit.page.locator(".contact small").all_inner_texts()

    assert ["among the tightest", *["at random"] * 5] == labels


def test_a_page_without_its_sources_and_captions_is_readable(
    browser: sync_api.Browser, own_run: OwnRun
) -> None:
    """Long failures are wrapped; what is missing is said."""
    run, _ = own_run()
    for job in PROMPTS:
        path = run.captions_file(job, "files-00000")
        failed = [
            Caption(id=each.id, job=job, failure="refused: " + "x" * 500)
            for each in run.captions(job, "files-00000")
        ]
        path.unlink()
        with JournalWriter(path) as journal:
            journal.commit(failed)
        write_jsonl(run.verdicts_file(job, "files-00000"), [])
    opened = Visit(browser, write_report(context_of(run, prompts=PROMPTS), [], []).path)

    assert "The only one." in opened.page.locator("#sets .section-head p").inner_text()
    assert "No picture can be shown." == opened.page.locator("#map .none").inner_text()
    assert 1440 == opened.page.evaluate("document.documentElement.scrollWidth")
    opened.page.get_by_text("Filter the cards").click()
    opened.page.get_by_role("button", name="Show all").click()
    assert [] == opened.trouble
    opened.context.close()
