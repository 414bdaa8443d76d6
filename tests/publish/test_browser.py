"""The pages in a real browser, opened as files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Page as Tab

from pipelines.publish.content import SiteContent
from pipelines.publish.site import write_site

pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGES = (
    "operator/index.html", "operator/benchmarks.html", "operator/about.html", "garam/index.html",
    "naru/benchmarks.html", "garam/for-members.html", "taeyang/index.html", "index.html",
)  # fmt: skip
IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest.fixture(scope="module")
def site(content: SiteContent, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("pages")
    write_site(content, folder)
    return folder.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing: install Debian's chromium")
        pytest.skip(f"{CHROMIUM} is missing")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def tab(browser: Browser, complaints: list[str]) -> Iterator[Tab]:
    """Give a fresh tab; what the browser complains of fails the test that uses it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # Leaving a page aborts what it still loads (its icon); that is no complaint.
    page.on(
        "requestfailed",
        lambda request: (
            complaints.append(f"{request.url}: {request.failure}")
            if request.failure != "net::ERR_ABORTED"
            else None
        ),
    )
    yield page
    context.close()
    assert complaints == []


def test_a_page_opens_in_korean_without_a_complaint(site: str, tab: Tab) -> None:
    for name in PAGES:
        tab.goto(f"{site}/{name}")
        assert tab.evaluate("document.documentElement.lang") == "ko"
        assert tab.locator(".t[lang=ko]").first.is_visible()
        assert tab.locator(".t[lang=en]:visible").count() == 0


def test_the_language_switch_works_and_is_remembered(site: str, tab: Tab) -> None:
    tab.goto(f"{site}/operator/index.html")
    tab.click("label[for=language-en]")
    assert tab.locator(".t[lang=ko]:visible").count() == 0
    assert tab.locator("h2", has_text="Last night").is_visible()
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert tab.title().endswith("operator")
    tab.reload()
    assert tab.locator("h2", has_text="Last night").is_visible()
    tab.click("nav a[href='about.html']")
    assert tab.locator("h1").inner_text() == "How to read"
    tab.click("label[for=language-ko]")
    tab.reload()
    assert tab.locator("h1").inner_text() == "읽는 법"


def test_the_switch_can_be_used_by_keyboard(site: str, tab: Tab) -> None:
    tab.goto(f"{site}/operator/index.html")
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.documentElement.lang") == "en"


def test_a_page_can_be_read_and_switched_without_script(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/garam/index.html")
    assert page.locator("h2", has_text="지난밤").is_visible()
    page.click("label[for=language-en]")
    assert page.locator("h2", has_text="Last night").is_visible()
    assert page.locator("h2", has_text="지난밤").count() == 1
    assert not page.locator(".t[lang=ko]", has_text="지난밤").is_visible()
    context.close()


@pytest.mark.parametrize("width", [360, 390, 981, 1280])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_page_scrolls_sideways(site: str, tab: Tab, width: int, language: str) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for name in PAGES:
        tab.goto(f"{site}/{name}")
        tab.click(f"label[for=language-{language}]")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, name


def test_text_stands_out_from_its_ground(site: str, tab: Tab) -> None:
    """Every visible text has a contrast of at least 4.5 to 1 (WCAG AA)."""
    for name in PAGES:
        tab.goto(f"{site}/{name}")
        assert tab.evaluate(CONTRAST) == [], name


def test_a_print_on_a4_loses_no_column_and_shows_no_control(site: str, tab: Tab) -> None:
    tab.set_viewport_size({"width": 720, "height": 1000})
    tab.emulate_media(media="print")
    for name in PAGES:
        tab.goto(f"{site}/{name}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 720, name
        assert not tab.locator(".languages").is_visible()
    tab.goto(f"{site}/operator/index.html")
    assert tab.locator("thead th").first.is_visible()


def test_the_pages_make_the_pictures_of_the_readme(site: str, tab: Tab) -> None:
    for audience, name, height in (("operator", "operator", 1180), ("garam", "member", 1640)):
        tab.goto(f"{site}/{audience}/index.html")
        picture = tab.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": height}, full_page=True)
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 50_000
        if os.environ.get("DC_WRITE_SCREENSHOTS"):
            IMAGES.mkdir(parents=True, exist_ok=True)
            (IMAGES / f"{name}.png").write_bytes(picture)


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [x, y, z] = [r, g, b].map((v) => linear(v / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const bad = [];
  const walker = document.createTreeWalker(document.querySelector(".page"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest("svg, .skip")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push([node.data.trim(), ratio]);
  }
  return bad;
}"""
