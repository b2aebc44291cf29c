"""A verdict stands in the report of the build whose dataset it was made on, and nowhere else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from pipelines.reporting.gather import EVALUATIONS, evaluations
from tests.pipelines.conftest import run_curate
from tests.pipelines.test_evaluation import rated_pairs

FAST = ("--set", "device=cpu", "--set", "draws=200")


@pytest.fixture(scope="module")
def judged(corpus: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build, and a model trained on it and evaluated."""
    home = tmp_path_factory.mktemp("judged")
    run_curate("build", corpus, cwd=home)
    run_curate(
        "train",
        "curated/dataset",
        "--out",
        "tuned",
        "--model",
        tiny_model,
        "--set",
        "max_steps=2",
        "--set",
        "device=cpu",
        cwd=home,
    )
    rated_pairs(home / "general.csv")
    run_curate("evaluate", "tuned", "curated/dataset", "--general", "general.csv", *FAST, cwd=home)
    run_curate("report", "curated", cwd=home)
    return home


def test_the_report_has_the_verdict(judged: Path) -> None:
    (path,) = (judged / "curated" / EVALUATIONS).iterdir()
    kept = json.loads(path.read_text())
    own = json.loads((judged / "tuned" / "evaluation.json").read_text())["evaluations"]["test"]
    assert (kept["model"], kept["verdict"]) == ("tuned", own["verdict"])
    assert kept["evaluation"]["systems"] == own["evaluation"]["systems"]
    assert list(kept["map"]["groups"]) == ["test queries", "texts of elsewhere", "training passages", "training questions"]
    queries = kept["evaluation"]["queries"]
    assert len(kept["map"]["groups"]["test queries"]) == min(200, queries)
    report = json.loads((judged / "curated" / "report.json").read_text())
    assert report["evaluations"] == [kept]
    page = html.fromstring((judged / "curated" / "report.html").read_text())
    (section,) = page.cssselect("#evaluations")
    assert section.cssselect("h3")[0].text_content() == "tuned, on test"
    assert section.cssselect(".verdict")[0].text_content() == kept["verdict"]["headline"]
    names = [row.text_content() for row in section.cssselect("tbody th")]
    assert names == ["BM25", "base", "tuned", "hybrid"]
    scores = [cell.text_content() for cell in section.cssselect("tbody tr")[0].cssselect("td")]
    assert scores[0] == f"{kept['evaluation']['systems'][0]['metrics']['ndcg@10']:.4f}"
    assert len(section.cssselect("svg")) == 2
    assert "Similarity as people rated it elsewhere" in section.text_content()


def test_no_record_leaves_the_build_as_it_is(judged: Path, tmp_path: Path) -> None:
    build = Path(shutil.copytree(judged / "curated", tmp_path / "curated"))
    shutil.rmtree(build / EVALUATIONS)
    run_curate("evaluate", judged / "tuned", build / "dataset", "--no-record", *FAST, cwd=tmp_path)
    assert not (build / EVALUATIONS).exists()
    # A dataset that lies elsewhere belongs to no build.
    alone = Path(shutil.copytree(build / "dataset", tmp_path / "alone" / "dataset"))
    run_curate("evaluate", judged / "tuned", alone, *FAST, cwd=tmp_path)
    assert [path.name for path in alone.parent.iterdir()] == ["dataset"]


@pytest.mark.parametrize(
    "spoilt", [b"", b"[1]", b"{}", b'{"model": "m", "verdict": {"outcome": 3}, "evaluation": {"systems": []}}', b"\xff\xfe"]
)
def test_files_that_are_none_of_ours_are_passed_over(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / EVALUATIONS).mkdir()
    (tmp_path / EVALUATIONS / "x.json").write_bytes(spoilt)
    good: dict[str, Any] = {"model": "m", "verdict": {"outcome": "SHIP"}, "evaluation": {"systems": []}}
    (tmp_path / EVALUATIONS / "y.json").write_text(json.dumps(good))
    assert evaluations(tmp_path) == (good,)
