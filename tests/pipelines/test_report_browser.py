"""The pages in headless Chromium: they work without an error, on a desk, on a phone, in the dark and on paper."""

import base64
import json
import re
import shutil

import pytest

from gm_keras.games.methods import METHODS
from pipelines.command import playing
from pipelines.report import index, page
from pipelines.settings import load_settings
from tests.projects import parts, reported

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402 (only where there is selenium)
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="there is no Chromium: apt-get install chromium chromium-driver",
)
PAGES = ["index", *reported.METRICS, "game"]
GAMES = playing.Request(("xy", "quadratic"), tuple(METHODS), (1.0, 7.0), (), (), 1.0, 0.1, 50)
MORE = (
    "nll_estimate_nats",
    "bits_per_dim",
    "reconstruction_psnr",
    "reconstruction_ssim",
    "reconstruction_ms_ssim",
    "classifier_kid",
    "classifier_is",
    "recall",
    "density",
    "coverage",
    "authenticity",
    "ms_ssim_diversity",
)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# The smallest contrast of all text that can be seen, by the definition of WCAG 2, and that text.
CONTRAST = """
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b]
  .map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = numbers(getComputedStyle(each).backgroundColor);
    if (color.length < 4 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let worst = [Infinity, "", 0], seen = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
  if (!text || !element.checkVisibility() || element.closest("style, script")) continue;
  const style = getComputedStyle(element);
  const ink = numbers(element.closest("svg") ? style.fill : style.color);
  const [a, b] = [luminance(ink), luminance(behind(element))].sort((x, y) => y - x);
  seen += 1;
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < worst[0]) worst = [ratio, text];
}
return [worst[0], worst[1], seen];
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """The address of the folder of the pages, with a slash at its end."""
    root = reported.make_project(tmp_path_factory.mktemp("project"))
    # A table that is wider than a desk.
    vae = reported.METRICS["vae"] | dict.fromkeys(MORE, 0.5)
    parts.write_json(root / "reports/vae/scores.json", vae)
    dcgan = reported.METRICS["dcgan"] | {"recall": 0.7, "recall_stderr": 0.02}
    parts.write_json(root / "reports/dcgan/scores.json", dcgan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        for key in reported.METRICS:
            page.write(key, load_settings(root / "params.yaml"), root)
        index.run()
    playing.write(GAMES, root / "reports/game.html")
    return (root / "reports").as_uri() + "/"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium, folder):
    """The index, newly opened on a desk in the light; at the end nothing may have gone wrong in it."""
    look(chromium)
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get_log("performance")
    chromium.get(f"{folder}index.html")
    yield chromium
    assert [each for each in chromium.get_log("browser") if each["level"] == "SEVERE"] == []


def look(browser, width: int = 1280, scheme: str = "light", media: str = "screen") -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def shown(browser, selector: str) -> list[str]:
    """The systems whose tiles, or rows, can be seen."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])]"
        ".filter((each) => each.checkVisibility()).map((each) => each.dataset.key)",
        selector,
    )


TILES, ROWS = ".gallery li", ".leaderboard tbody tr"


def keys(browser) -> list[str]:
    """The systems of the first leaderboard, from the top."""
    rows = browser.find_elements(By.CSS_SELECTOR, "table.leaderboard")[0]
    return [each.text for each in rows.find_elements(By.CSS_SELECTOR, "tbody th a")]


def heading(browser, title: str, text: str = "innerText"):
    for each in browser.find_elements(By.CSS_SELECTOR, "table.leaderboard thead th"):
        if each.get_property(text).startswith(title):
            return each
    raise AssertionError(f"there is no column {title}")


def test_a_click_sorts_by_a_column_and_the_next_turns_it_round(browser):
    column = heading(browser, "Classifier FID")
    assert column.get_attribute("aria-sort") == "none"
    column.find_element(By.TAG_NAME, "button").click()
    assert keys(browser) == ["dcgan", "vae", "pix2pix"]
    assert column.get_attribute("aria-sort") == "ascending"
    column.find_element(By.TAG_NAME, "button").click()
    assert keys(browser) == ["pix2pix", "vae", "dcgan"]
    assert column.get_attribute("aria-sort") == "descending"


def test_sorting_begins_with_the_best(browser):
    column = heading(browser, "Precision")
    column.find_element(By.TAG_NAME, "button").click()
    assert column.get_attribute("aria-sort") == "descending"
    assert keys(browser) == ["dcgan", "vae", "pix2pix"]


def test_the_keyboard_sorts_as_well(browser):
    button = heading(browser, "System").find_element(By.TAG_NAME, "button")
    browser.execute_script("arguments[0].focus()", button)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert keys(browser) == ["dcgan", "pix2pix", "vae"]
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert keys(browser) == ["vae", "pix2pix", "dcgan"]
    # The next column is one step away, and takes the mark over.
    browser.switch_to.active_element.send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    sorted_by = browser.find_elements(By.CSS_SELECTOR, "th[aria-sort$='ending']")
    assert [each.text.split()[0] for each in sorted_by] == ["Classifier"]


def test_systems_without_the_score_stay_last_and_calibration_below(browser):
    browser.find_element(By.CSS_SELECTOR, ".unfold").click()
    button = heading(browser, "Mean absolute error").find_element(By.TAG_NAME, "button")
    for _ in range(2):
        button.click()
        assert keys(browser)[0] == "pix2pix"
    rows = browser.find_elements(By.CSS_SELECTOR, "table.leaderboard")[0]
    assert [row.text.split()[0] for row in rows.find_elements(By.TAG_NAME, "tr")][-2:] == [
        "Real",
        "Noise",
    ]


def test_what_most_systems_lack_is_folded_away_and_comes_back(browser):
    button = browser.find_element(By.CSS_SELECTOR, ".unfold")
    column = heading(browser, "Mean absolute error", "textContent")
    assert not column.is_displayed()
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    assert column.is_displayed()
    button.click()
    assert not column.is_displayed()
    # Where all that are shown have it, nothing is folded.
    browser.find_element(By.CSS_SELECTOR, ".chip input[value='translator']").click()
    assert column.is_displayed()
    assert not button.is_displayed()


def test_pictures_on_cards_are_as_large_as_they_are(browser):
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('.gallery img')]"
        ".map((each) => [each.width, each.naturalWidth, each.height, each.naturalHeight])"
    )
    assert len(sizes) == 3
    assert all(width == own and height == high for width, own, height, high in sizes)


def test_the_picture_of_precision_and_recall_follows_the_filters(browser):
    def points() -> list[str]:
        return browser.execute_script(
            "return [...document.querySelectorAll('.square [data-key]')]"
            ".filter((each) => getComputedStyle(each).display !== 'none').map((each) => each.dataset.key)"
        )

    assert points() == ["vae", "dcgan"]
    # No word of it is cut off.
    beyond = browser.execute_script(
        "const box = document.querySelector('.square').getBoundingClientRect();"
        "return [...document.querySelectorAll('.square text')].map((each) => each.getBoundingClientRect())"
        ".filter((each) => each.left < box.left || each.right > box.right || each.top < box.top"
        " || each.bottom > box.bottom).length"
    )
    assert beyond == 0
    browser.find_element(By.CSS_SELECTOR, ".chip input[value='gan']").click()
    assert points() == ["dcgan"]


def test_search_and_filters_leave_what_fits_and_the_address_keeps_the_choice(browser, folder):
    everything = ["vae", "dcgan", "pix2pix", "gpt2"]
    assert shown(browser, TILES) == shown(browser, ROWS) == everything
    found = browser.find_element(By.CSS_SELECTOR, ".found output")
    assert found.text == "4 systems"
    browser.find_element(By.CSS_SELECTOR, ".chip input[value='latents']").click()
    assert shown(browser, TILES) == shown(browser, ROWS) == ["vae", "dcgan"]
    assert found.text == "2 of 4 systems"
    # Of shakespeare nothing is left, nor is the column that only pix2pix had a value in.
    assert not browser.find_element(By.ID, "data-shakespeare").is_displayed()
    assert not heading(browser, "Mean absolute error", "textContent").is_displayed()
    browser.find_element(By.CSS_SELECTOR, ".chip input[value='gan']").click()
    assert shown(browser, TILES) == shown(browser, ROWS) == ["dcgan"]
    browser.find_element(By.CSS_SELECTOR, ".gallery li:not([hidden]) a").click()
    assert browser.find_element(By.TAG_NAME, "h1").text == "dcgan"
    browser.back()
    assert shown(browser, TILES) == ["dcgan"]
    search = browser.find_element(By.NAME, "words")
    search.send_keys("nothing of this name")
    assert shown(browser, TILES) == []
    assert browser.find_element(By.CSS_SELECTOR, ".none").is_displayed()
    browser.find_element(By.CSS_SELECTOR, "[type=reset]").click()
    # The form is empty only after the event.
    WebDriverWait(browser, 30).until(lambda _: shown(browser, TILES) == everything)
    assert shown(browser, ROWS) == everything
    search.send_keys("Shakespeare density")
    assert shown(browser, ROWS) == ["gpt2"]
    browser.get(f"{folder}vae.html")
    browser.find_element(By.LINK_TEXT, "Family latent").click()
    assert shown(browser, ROWS) == ["vae"]


def test_every_picture_loads_and_has_alternative_text(browser, folder):
    number = 0
    for name in PAGES:
        browser.get(f"{folder}{name}.html")
        found = browser.execute_script(
            "return [...document.images].filter((each) => !each.closest('.who'))"
            ".map((each) => [each.complete, each.naturalWidth, each.alt])"
        )
        assert all(complete and width > 0 and alt for complete, width, alt in found), name
        number += len(found)
    assert number > 10


def test_nothing_is_requested_but_the_files(browser, folder):
    browser.get(f"{folder}vae.html")
    requests = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    addresses = [
        each["params"]["request"]["url"]
        for each in requests
        if each["method"] == "Network.requestWillBeSent"
    ]
    assert addresses
    assert all(re.match("file:///|data:|about:blank", each) for each in addresses)


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_window(browser, folder, width):
    look(browser, width)
    for name in PAGES:
        browser.get(f"{folder}{name}.html")
        wide, room, window = browser.execute_script(
            "document.querySelectorAll('details').forEach((each) => (each.open = true));"
            "const { scrollWidth, clientWidth } = document.documentElement;"
            "return [scrollWidth, clientWidth, innerWidth]"
        )
        assert window == width
        assert wide <= room, name
        # Nor is anything cut off, outside of boxes that scroll.
        beyond = browser.execute_script(
            "return [...document.querySelectorAll('main *')].filter((each) => each.checkVisibility()"
            " && !each.closest('.scroll, .chips, .heard, pre, svg')"
            " && each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML)"
        )
        assert beyond == []


def test_without_script_every_system_is_there(browser, folder):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{folder}index.html")
        links = browser.find_elements(By.CSS_SELECTOR, ".gallery a, .leaderboard a")
        assert len(links) == 2 * len(reported.METRICS)
        assert all(each.is_displayed() for each in links)
        # What does nothing without a script is not shown.
        assert not browser.find_element(By.CSS_SELECTOR, ".filters").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_the_light_and_in_the_dark(browser, folder, scheme):
    look(browser, scheme=scheme)
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness > 200 if scheme == "light" else brightness < 50
    for name in PAGES:
        browser.get(f"{folder}{name}.html" + ("?family=gan" if name == "index" else ""))
        ratio, text, seen = browser.execute_script(CONTRAST)
        assert seen > 20
        assert ratio >= 4.5, f"{text} on {name}"


@pytest.mark.parametrize("name", ["index", "vae", "game"])
def test_on_paper_everything_is_there_and_nothing_cut(browser, folder, name):
    # The width of an A4 page without its margins, at 96 points an inch.
    look(browser, width=700, media="print")
    browser.get(f"{folder}{name}.html")
    hidden = browser.execute_script(
        "return [...document.querySelectorAll('table, img, svg, pre')].filter((each) => !each.matches('.mini'))"
        ".filter((each) => !each.checkVisibility({contentVisibilityAuto: true})).length"
    )
    assert hidden == 0
    wide = browser.execute_script(
        "return [...document.querySelectorAll('table, .gallery')]"
        ".map((each) => each.getBoundingClientRect().right - innerWidth)"
    )
    assert max(wide) <= 0.0
    look(browser)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    # What was opened for the paper is closed again.
    assert browser.find_elements(By.CSS_SELECTOR, "details[open]") == []
