"""The page in a real browser: no console error, no request to anywhere, nothing of a document runs, filter and search work."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.test_report import built, rows  # noqa: F401 (fixtures)

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)"
)


@pytest.fixture(scope="module")
def page(built: Path) -> Iterator[Any]:  # noqa: F811 (the fixture)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1600"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    driver.get((built / "report.html").resolve().as_uri())
    yield driver
    driver.quit()


def count(page: Any) -> int:
    return len(page.find_elements("css selector", "#rows .row"))


def select(page: Any, name: str, value: str) -> None:
    page.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", page.find_element("id", name), value
    )


def test_it_opens_in_silence(page: Any) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    with pytest.raises(NoAlertPresentException):
        _ = page.switch_to.alert.text
    assert page.get_log("browser") == []
    sent = [entry["message"] for entry in page.get_log("performance") if "Network.requestWillBeSent" in entry["message"]]
    assert all('"url":"file:' in message or '"url":"data:' in message for message in sent)
    assert page.execute_script("return performance.timing.loadEventEnd - performance.timing.navigationStart") < 20_000


def test_search_and_filters(page: Any, rows: Any) -> None:  # noqa: F811 (the fixture)
    words = page.find_element("id", "words")
    assert page.find_element("id", "found").text == f"{len(rows)} rows"
    assert count(page) == min(20, len(rows))
    page.find_element("id", "more").click()
    assert count(page) == min(40, len(rows))
    words.send_keys("gatekeeper ALERT(1)")
    time.sleep(0.2)
    wanted = [row for row in rows if all(word in "\n".join([row.text, row.passage, row.source, *(part for pair in row.story for part in pair)]).lower() for word in ("gatekeeper", "alert(1)"))]  # fmt: skip
    assert page.find_element("id", "found").text == f"{len(wanted)} rows" != f"{len(rows)} rows"
    assert "</script><script>alert(1)</script>" in page.find_element("id", "rows").text
    words.clear()
    words.send_keys("x")
    words.send_keys("\ue003")
    select(page, "kind", "negative")
    aside = [row for row in rows if row.kind == "negative"]
    assert page.find_element("id", "found").text == f"{len(aside)} rows"
    reason = aside[0].reason
    select(page, "reason", reason)
    assert page.find_element("id", "found").text == f"{sum(row.reason == reason for row in aside)} rows"
    select(page, "kind", "kept")
    assert page.find_element("id", "reason").get_attribute("value") == ""
    assert page.find_element("css selector", "#rows .question").text == next(row.text for row in rows if row.kind == "kept")
    page.find_element("css selector", "#rows summary").click()
    assert page.find_element("css selector", "#rows dl").is_displayed()


def test_it_fits_a_phone(page: Any) -> None:
    page.set_window_size(420, 900)
    assert page.execute_script("return document.documentElement.scrollWidth") <= page.execute_script("return window.innerWidth")
    assert page.find_element("css selector", "h1").is_displayed()
