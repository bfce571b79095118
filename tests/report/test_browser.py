"""The report as its reader has it: clicked through in a browser, with a mouse and with a keyboard alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forearm.report.page import write_report
from tests.report.chromium import FOUND, Page, page
from tests.report.documents import HOSTILE, add_films, document

pytestmark = pytest.mark.skipif(FOUND is None, reason="no Chromium here: apt-get install chromium")
OPEN = "document.getElementById('episode').open"
TITLE = "document.getElementById('episode-title').textContent"
PLACE = "[+document.activeElement.dataset.row, +document.activeElement.dataset.place]"
PLAYS = "document.querySelector('video').videoWidth === 96 && document.querySelector('video').currentTime > 0"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with page(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with one film inside and one that is linked."""
    folder = tmp_path_factory.mktemp("a report of 100%")
    films = add_films(folder)
    room = films[0].stat().st_size / 1e6 + 1e-4
    assert write_report(folder / "report.html", document(), folder, room) == (1, 1)
    return folder / "report.html"


def test_a_click_on_a_square_shows_its_film(browser: Page, report: Path) -> None:
    browser.open(report)
    browser.click('[data-task="0"] [data-row="1"][data-place="0"]')
    assert browser.value(OPEN) and browser.value(TITLE) == "icem, episode 0"
    browser.wait(PLAYS)
    assert browser.value("document.querySelector('video').src").startswith("blob:")
    browser.click("#after")  # one that lies beside the page
    assert browser.value(TITLE) == "icem, episode 1"
    browser.wait(PLAYS)
    assert browser.value("document.querySelector('video').src").endswith("/films/push-icem-001.mp4")
    browser.click("#others button:first-child")
    assert browser.value(TITLE) == f"{HOSTILE}, episode 1" and browser.value("document.title") != "1"
    assert browser.value("getComputedStyle(document.querySelector('video')).display") == "none"
    assert browser.value("getComputedStyle(document.querySelector('.none')).display") != "none"
    browser.click('[aria-label="Close"]')
    assert not browser.value(OPEN)


def test_everything_is_there_for_a_keyboard(browser: Page, report: Path) -> None:
    browser.open(report)
    browser.click("#episodes-0")
    browser.press("Tab")
    assert browser.value(PLACE) == [0, 0]
    for key, place in (
        ("ArrowLeft", [0, 0]), ("ArrowDown", [1, 0]), ("ArrowRight", [1, 1]), ("End", [1, 7]), ("ArrowRight", [1, 7]),
        ("Home", [1, 0]), ("ArrowUp", [0, 0]), ("ArrowDown", [1, 0]), ("ArrowRight", [1, 1]),
    ):  # fmt: skip
        browser.press(key)
        assert browser.value(PLACE) == place, key
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert (
        browser.value("document.activeElement.getAttribute('aria-label')")
        == "icem, episode 1: solved in 10 steps, film"
    )
    browser.press("Enter")
    assert browser.value(OPEN)
    browser.wait(PLAYS)
    browser.press("ArrowLeft")
    browser.press("ArrowDown")
    assert browser.value(TITLE) == "icem light=0.7, episode 0"
    browser.press("Escape")
    browser.wait(f"!{OPEN} && String({PLACE}) === '2,0'")  # of what was shown last
    browser.press("Tab")
    assert browser.value("document.activeElement.closest('[data-task]').dataset.task") == "1"  # one stop a grid


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_phones_and_follows_the_scheme(browser: Page, report: Path, width: int, dark: bool) -> None:
    browser.open(report, width, 800, dark)
    assert browser.value("document.documentElement.scrollWidth") <= width
    shade = browser.value("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(shade) < 200) == dark
    least = browser.value("Math.min(...[...document.querySelectorAll('.cells button')].map((b) => b.clientWidth + 4))")
    assert least >= 24  # wide enough for a finger


def test_nothing_is_loaded_and_nothing_complains(browser: Page, report: Path) -> None:
    assert browser.messages == []
    assert all(address.startswith(("file:", "blob:", "data:")) for address in browser.requests)
    assert {address.rpartition("/")[2] for address in browser.requests if address.startswith("file:")} <= {
        "report.html", "push-icem-001.mp4",
    }  # fmt: skip
