"""The dashboard in a real browser: filters, charts, keyboard, narrow and dark screens, and without scripts."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.doubles_web import FakeViews, photo_bytes
from trendloom.config import Settings
from trendloom.web.app import create_app

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
FIRST = "/trends/look-red-check-shirts-emerging-0"
PAGES = ["/", FIRST, "/ledger", "/materials", "/search?q=red", "/tag", "/method", "/docs", "/nothing", "/?country=XX"]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(FakeViews(), Settings()), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    waiting = threading.Event()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        waiting.wait(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page that fails the test if anything is said on its console."""
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **getattr(request, "param", {})})
    opened = context.new_page()
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.trouble = trouble
    yield opened
    context.close()
    assert not [text for text in trouble if "status of 404" not in text]


def go(page: Any, address: str) -> None:
    page.goto(address, wait_until="load")


def test_filters_answer_in_place_and_have_an_address(page: Any, site: str) -> None:
    go(page, site)
    page.evaluate("window.kept = true")
    page.get_by_role("link", name="Rising 5").click()
    page.wait_for_url("**/?stage=rising")
    sync_api.expect(page.locator("table.list tbody tr")).to_have_count(5)
    page.get_by_label("Country").focus()
    page.get_by_label("Country").select_option("NL")
    page.wait_for_url("**/?stage=rising&country=NL")
    assert page.evaluate("window.kept")
    sync_api.expect(page.get_by_label("Country")).to_be_focused()
    page.get_by_label("Name").fill("zzz")
    page.keyboard.press("Enter")
    page.get_by_text("No trend passes these filters").wait_for()
    page.get_by_role("link", name="show all trends").click()
    page.wait_for_url(f"{site}/")
    page.go_back()
    page.get_by_text("No trend passes these filters").wait_for()
    page.reload()
    page.get_by_text("No trend passes these filters").wait_for()


def test_a_trend_opens_with_its_chart(page: Any, site: str) -> None:
    go(page, site)
    page.get_by_role("link", name="Red check shirts").first.click()
    page.wait_for_url(f"**{FIRST}")
    canvas = page.locator("#chart canvas")
    sync_api.expect(canvas).to_have_count(1)
    drawn = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert canvas.evaluate(drawn) > 20
    box = page.locator("#chart .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    sync_api.expect(page.locator("#read")).to_contain_text("Week of")
    assert "2024" in page.locator("#read").inner_text()


def test_the_chart_is_read_by_keyboard_and_says_what_the_table_says(page: Any, site: str) -> None:
    go(page, site + FIRST)
    page.locator("#chart .u-over").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.get_by_text("The same numbers as a table").click()
    row = page.locator("#points tbody tr").nth(1)
    read = page.locator("#read").inner_text()
    assert row.locator("th").inner_text() in read
    assert row.locator("td").first.inner_text() in read


def test_nothing_moves_after_it_was_drawn(page: Any, site: str) -> None:
    # a slow machine reads the page in pieces
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page.add_init_script(
        "window.moved = 0; new PerformanceObserver(l => l.getEntries().forEach(e => window.moved += e.value))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    for path in ("/", FIRST, "/search?q=red"):
        page.goto(site + path, wait_until="networkidle")
        assert page.evaluate("window.moved") < 0.01, path


def test_a_row_that_comes_later_moves_no_column(page: Any, site: str) -> None:
    go(page, site)
    where = "[...document.querySelectorAll('.list thead th')].map(t => t.getBoundingClientRect().x)"
    whole = page.evaluate(where)
    page.evaluate("document.querySelectorAll('.list tbody tr').forEach(row => row.remove())")
    assert page.evaluate(where) == whole
    assert page.evaluate(
        "Boolean(document.querySelector(document.querySelector('link[rel=expect]').getAttribute('href')))"
    )


def test_nothing_is_loaded_from_elsewhere(page: Any, site: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in PAGES:
        page.goto(site + path, wait_until="networkidle")
    assert len(asked) > len(PAGES)
    assert all(url.startswith(site) for url in asked)


AUDIT = """() => {
  const wrong = [];
  const named = e => (e.getAttribute('aria-label') || e.textContent || e.title || '').trim() ||
    [...e.querySelectorAll('img[alt]')].some(i => i.alt);
  document.querySelectorAll('a[href], button, summary').forEach(e => { if (!named(e)) wrong.push('no name: ' + e.outerHTML.slice(0, 90)); });
  document.querySelectorAll('input:not([type=hidden]), select, textarea').forEach(e => {
    if (!(e.labels && e.labels.length) && !e.getAttribute('aria-label')) wrong.push('no label: ' + e.outerHTML.slice(0, 90)); });
  document.querySelectorAll('img').forEach(e => { if (!e.hasAttribute('alt')) wrong.push('no alt: ' + e.src); });
  document.querySelectorAll('svg').forEach(e => {
    if (e.getAttribute('aria-hidden') !== 'true' && !e.getAttribute('aria-label')) wrong.push('svg without a name'); });
  document.querySelectorAll('th').forEach(e => { if (!e.scope) wrong.push('th without scope: ' + e.textContent); });
  document.querySelectorAll('[aria-labelledby]').forEach(e => {
    if (!document.getElementById(e.getAttribute('aria-labelledby'))) wrong.push('labelled by nothing'); });
  for (const [name, count] of [['main', 1], ['header', 1], ['footer', 1], ['h1', 1]])
    if (document.querySelectorAll(name).length !== count) wrong.push(name);
  document.querySelectorAll('nav').forEach(e => { if (!e.getAttribute('aria-label')) wrong.push('nav without a name'); });
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!c.endsWith(', 0)') && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
  document.querySelectorAll('main *, header *, footer *').forEach(e => {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.closest('svg, .hidden, noscript')) return;
    if (!e.checkVisibility()) return;
    const a = light(getComputedStyle(e).color), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) wrong.push('contrast ' + ratio.toFixed(1) + ': ' + e.textContent.trim().slice(0, 40)); });
  return wrong;
}"""


@pytest.mark.parametrize(
    "page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"]
)
def test_names_labels_headings_and_contrast(page: Any, site: str) -> None:
    for path in PAGES:
        go(page, site + path)
        assert page.evaluate(AUDIT) == [], path


@pytest.mark.parametrize("page", [{"color_scheme": "dark"}], indirect=True)
def test_dark_follows_the_system(page: Any, site: str) -> None:
    go(page, site)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 21, 24)"


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": width, "height": 800}} for width in (320, 390, 768, 1024)], indirect=True
)
def test_no_page_scrolls_sideways(page: Any, site: str) -> None:
    for path in PAGES:
        go(page, site + path)
        sideways = page.evaluate(
            """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? '' :
              [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth)
              .map(e => e.tagName + '.' + e.className).slice(0, 5).join(' ')"""
        )
        assert not sideways, path


def test_every_control_is_reached_by_tab_with_a_visible_focus(page: Any, site: str) -> None:
    go(page, f"{site}/?stage=emerging")
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e); return [(e.name || e.textContent || '').trim().split(' ')[0],"
            " e === document.body ? 'body' : s.outlineStyle + ' ' + s.outlineWidth]; }"
        )
        if outline == "body":
            break
        assert outline == "solid 2px", name
        seen.append(name)
    order = ["To", "trendloom", "Trends", "q", "Red", "All", "Emerging", "CSV", "country", "platform", "Stage", "Share"]
    places = [seen.index(name) for name in order]
    assert places == sorted(places)


def test_slash_goes_to_the_search_box(page: Any, site: str) -> None:
    go(page, site)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("red/check")
    assert page.input_value("#find") == "red/check"
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=red%2Fcheck")
    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"


def test_a_chosen_photo_is_tagged_in_place(page: Any, site: str, tmp_path: Path) -> None:
    photo = tmp_path / "shirt.jpg"
    photo.write_bytes(photo_bytes((178, 45, 48), "check"))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    go(page, f"{site}/tag")
    page.set_input_files("#images", [photo, broken])
    page.get_by_text("2 photos, model fashion-lite 1.0").wait_for()
    assert page.locator(".tagged canvas:not(.heat)").count() == 1
    heat = page.locator(".tagged canvas.heat")
    sync_api.expect(heat).to_be_hidden()
    page.locator(".tagged table").first.hover()
    sync_api.expect(heat).to_be_visible()
    assert heat.evaluate("c => c.getContext('2d').getImageData(0, 0, 1, 1).data[3]") == 200  # the double's diagonal
    sync_api.expect(page.locator(".tagged .swatches").first).to_contain_text("#b02020")
    sync_api.expect(page.locator(".tagged").first).to_contain_text("93%")
    sync_api.expect(page.locator(".tagged pre").first).to_contain_text('"value_id": "fashionpedia:296"')
    sync_api.expect(page.locator(".tagged").nth(1)).to_contain_text("Not read (unsupported)")


def test_a_dropped_photo_is_tagged(page: Any, site: str) -> None:
    go(page, f"{site}/tag")
    page.evaluate(
        """async () => {
          const canvas = document.createElement('canvas'); canvas.width = canvas.height = 40;
          canvas.getContext('2d').fillRect(0, 0, 40, 40);
          const blob = await new Promise(done => canvas.toBlob(done, 'image/png'));
          const moved = new DataTransfer(); moved.items.add(new File([blob], 'dropped.png', {type: 'image/png'}));
          document.dispatchEvent(new DragEvent('drop', {dataTransfer: moved, bubbles: true, cancelable: true}));
        }"""
    )
    page.get_by_role("heading", name="dropped.png").wait_for()


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_everything_works_without_scripts(page: Any, site: str, tmp_path: Path) -> None:
    go(page, site)
    page.get_by_role("link", name="Fading").click()
    page.wait_for_url("**/?stage=fading")
    page.get_by_label("Country").select_option("FR")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/?stage=fading&country=FR&platform=&cohort=&shows=&q=")
    assert page.locator("table.list tbody tr").count() == 5
    page.locator("table.list tbody a").first.click()
    page.locator("svg.chart").wait_for()
    photo = tmp_path / "shirt.jpg"
    photo.write_bytes(photo_bytes((178, 45, 48), "check"))
    go(page, f"{site}/tag")
    page.set_input_files("#images", photo)
    page.get_by_role("button", name="Tag").click()
    page.get_by_text("93%").wait_for()
    go(page, f"{site}/search")
    page.set_input_files("#photo", photo)
    page.get_by_role("button", name="Find similar").click()
    page.get_by_role("heading", name="Nearest photos").wait_for()
