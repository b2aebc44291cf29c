"""Makes the pictures of docs/report.md from a build of the sample corpus: `python docs/pictures/make.py` (chromium and chromedriver)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Build the sample, open its report, take the first screen and the rows."""
    with tempfile.TemporaryDirectory() as home:
        for words in (("sample", "docs-python"), ("build", "docs-python")):
            subprocess.run([sys.executable, "-m", "pipelines.cli", *words], cwd=home, check=True, capture_output=True)
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,760"):
            options.add_argument(word)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
        try:
            driver.get((Path(home) / "curated" / "report.html").as_uri())
            driver.save_screenshot(str(HERE / "report.png"))
            driver.execute_script(
                "document.querySelector('#rows details').open = true; document.getElementById('samples').scrollIntoView()"
            )
            driver.save_screenshot(str(HERE / "rows.png"))
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
