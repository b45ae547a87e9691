"""The page in headless Chromium: it works without an error, on a desk, on a phone, in the dark and on paper."""

import base64
import json
import re
import shutil

import pytest

from pipelines.report import page
from tests.pipelines import report_project

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402 (only where there is selenium)
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="there is no Chromium: apt-get install chromium chromium-driver",
)
SECTIONS = ["all-systems", *report_project.METRICS]
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
def address(tmp_path_factory) -> str:
    root = report_project.make_project(tmp_path_factory.mktemp("project"))
    # A table that is wider than a desk.
    vae = report_project.METRICS["vae"] | dict.fromkeys(MORE, 0.5)
    report_project.write_json(root / "reports/vae/metrics.json", vae)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        page.run()
    return (root / "reports/index.html").as_uri()


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
def browser(chromium, address):
    """The page, newly opened on a desk in the light; at the end nothing may have gone wrong in it."""
    look(chromium)
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get_log("performance")
    open_page(chromium, address)
    yield chromium
    assert [each for each in chromium.get_log("browser") if each["level"] == "SEVERE"] == []


def open_page(browser, address: str, section: str = "") -> None:
    # An address that differs in its fragment only is not loaded anew.
    browser.get("about:blank")
    browser.get(f"{address}#{section}" if section else address)


def look(browser, width: int = 1280, scheme: str = "light", media: str = "screen") -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def shown(browser) -> list[str]:
    """The sections that can be seen."""
    return browser.execute_script(
        "return [...document.querySelectorAll('main > section')]"
        ".filter((each) => each.checkVisibility()).map((each) => each.id)"
    )


def keys(browser) -> list[str]:
    """The systems of the first leaderboard, from the top."""
    rows = browser.find_elements(By.CSS_SELECTOR, "table.leaderboard")[0]
    return [each.text for each in rows.find_elements(By.CSS_SELECTOR, "tbody th")]


def heading(browser, title: str):
    for each in browser.find_elements(By.CSS_SELECTOR, "table.leaderboard thead th"):
        if each.text.startswith(title):
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
    assert [each.text.split(" ")[0] for each in sorted_by] == ["Negative"]


def test_systems_without_the_score_stay_last_and_calibration_below(browser):
    button = heading(browser, "Mean absolute error").find_element(By.TAG_NAME, "button")
    for _ in range(2):
        button.click()
        assert keys(browser)[0] == "pix2pix"
    rows = browser.find_elements(By.CSS_SELECTOR, "table.leaderboard")[0]
    assert [row.text.split()[0] for row in rows.find_elements(By.TAG_NAME, "tr")][-2:] == [
        "Floor",
        "Ceiling",
    ]


def test_every_picture_loads_and_has_alternative_text(browser, address):
    found = []
    for section in SECTIONS:
        open_page(browser, address, section)
        found = browser.execute_script(
            "return [...document.images].map((each) => [each.complete, each.naturalWidth, each.alt])"
        )
        assert all(complete and width > 0 and alt for complete, width, alt in found)
    assert len(found) > 10


def test_nothing_is_requested_but_the_file(browser):
    requests = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    addresses = [
        each["params"]["request"]["url"]
        for each in requests
        if each["method"] == "Network.requestWillBeSent"
    ]
    assert addresses
    assert all(re.match("file:///|data:|about:blank", each) for each in addresses)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_no_wider_than_the_window(browser, address, width):
    look(browser, width)
    for section in SECTIONS:
        open_page(browser, address, section)
        wide, room, window = browser.execute_script(
            "document.querySelectorAll('details').forEach((each) => (each.open = true));"
            "const { scrollWidth, clientWidth } = document.documentElement;"
            "return [scrollWidth, clientWidth, innerWidth]"
        )
        assert window == width
        assert wide <= room, section
        # Nor is anything cut off, outside of boxes that scroll.
        beyond = browser.execute_script(
            "return [...document.querySelectorAll('main *')].filter((each) => each.checkVisibility()"
            " && !each.closest('.scroll, .heard, pre, svg')"
            " && each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML)"
        )
        assert beyond == []


def test_links_lead_to_one_system_at_a_time(browser, address):
    assert shown(browser) == ["all-systems"]
    browser.find_element(By.CSS_SELECTOR, "nav a[href='#dcgan']").click()
    assert shown(browser) == ["dcgan"]
    assert browser.title.startswith("dcgan")
    current = browser.find_elements(By.CSS_SELECTOR, "nav [aria-current]")
    assert [each.text for each in current] == ["dcgan"]
    # The reader of a screen goes on in the section that came.
    assert browser.switch_to.active_element.text == "dcgan"
    browser.back()
    assert shown(browser) == ["all-systems"]
    browser.find_element(By.CSS_SELECTOR, "table.leaderboard a[href='#gpt2']").click()
    assert shown(browser) == ["gpt2"]
    open_page(browser, address, "vae")
    assert shown(browser) == ["vae"]
    open_page(browser, address, "nothing-of-this-name")
    assert shown(browser) == ["all-systems"]


def test_without_script_everything_is_there(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_page(browser, address)
        sections = browser.find_elements(By.CSS_SELECTOR, "main > section")
        assert [each.get_attribute("id") for each in sections] == SECTIONS
        assert all(each.is_displayed() for each in sections)
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_the_light_and_in_the_dark(browser, address, scheme):
    look(browser, scheme=scheme)
    open_page(browser, address)
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness > 200 if scheme == "light" else brightness < 50
    for section in SECTIONS:
        open_page(browser, address, section)
        ratio, text, seen = browser.execute_script(CONTRAST)
        assert seen > 20
        assert ratio >= 4.5, f"{text} in {section}"


def test_on_paper_everything_is_there_and_nothing_cut(browser, address):
    # The width of an A4 page without its margins, at 96 points an inch.
    look(browser, width=700, media="print")
    open_page(browser, address, "vae")
    assert shown(browser) == SECTIONS
    hidden = browser.execute_script(
        "return [...document.querySelectorAll('table, img, svg, pre')]"
        ".filter((each) => !each.checkVisibility({contentVisibilityAuto: true})).length"
    )
    assert hidden == 0
    wide = browser.execute_script(
        "return [...document.querySelectorAll('table')]"
        ".map((each) => each.getBoundingClientRect().right - innerWidth)"
    )
    assert max(wide) <= 0.0
    look(browser)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    pages = base64.b64decode(printed["data"])
    assert pages.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pages)) >= len(SECTIONS)
    # What was opened for the paper is closed again.
    assert browser.find_elements(By.CSS_SELECTOR, "details[open]") == []
