"""The examples of docs/serving.md, run as they stand: they find what an evaluation of the same model finds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.evaluation import EvaluateSettings
from tests.curate.tiny_gate_models import save_tiny_embedder
from train.eval_set import read_eval_set
from train.models import load_model
from train.rankings import dense_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
QUESTION = "what is w50 w51"
NO_LANCEDB = 'lancedb is not installed: pip install "curate-embeddings[lancedb]"'


def example(number: int) -> str:
    """A Python block of the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)[number]


def run(number: int, model: str = "model") -> dict[str, Any]:
    """What a block leaves behind; `model` stands in place of the page's own name for the folder."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(
        compile(example(number).replace('"model"', f'"{model}"'), f"{PAGE.name} block {number}", "exec", dont_inherit=True), names
    )
    return names


@pytest.fixture
def place(tiny_model: Path, make_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `model` and `curated/dataset`."""
    make_dataset("curated/dataset")
    shutil.copytree(tiny_model, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(place: Path) -> list[tuple[str, float]]:
    """The first ten passages of the question by our own search."""
    test = read_eval_set(place / "curated" / "dataset")
    assert test.queries["q50"] == QUESTION
    ranking, _ = dense_run(load_model(str(place / "model"), device="cpu"), test, EvaluateSettings(device="cpu"))
    return ranking["q50"][:10]


@pytest.mark.filterwarnings("ignore")
def test_plain_sentence_transformers_finds_what_the_evaluation_found(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(0)["best"]
    assert [float(score) for score, _ in found] == pytest.approx([score for _, score in expected(place)], abs=1e-5)
    assert {passage["_id"] for _, passage in found[:5]} == {item for item, _ in expected(place)[:5]}
    assert len(capsys.readouterr().out.splitlines()) == 10


@pytest.mark.filterwarnings("ignore")
def test_lancedb_finds_what_the_evaluation_found(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lancedb = pytest.importorskip("lancedb", reason=NO_LANCEDB)
    found = run(1)["found"]
    assert [1 - row["_distance"] for row in found] == pytest.approx([score for _, score in expected(place)], abs=1e-5)
    assert {row["passage_id"] for row in found[:5]} == {item for item, _ in expected(place)[:5]}
    assert len(capsys.readouterr().out.splitlines()) == 10
    # The table knows its model: opened anew it embeds questions by itself.
    again = lancedb.connect(place / "lancedb").open_table("passages")
    assert again.count_rows() == 58
    assert [row["passage_id"] for row in again.search(QUESTION).distance_type("cosine").limit(10).to_list()] == [
        row["passage_id"] for row in found
    ]


@pytest.mark.filterwarnings("ignore")
def test_lancedb_with_prompts_embeds_as_training_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lancedb", reason=NO_LANCEDB)
    saved = save_tiny_embedder(tmp_path, {"query": "query: ", "document": "is "})
    assert saved == tmp_path / "model"
    # LanceDB keeps models by their names: another test's may be kept as "model".
    saved.rename(tmp_path / "prompted-model")
    monkeypatch.chdir(tmp_path)
    prompted = run(2, "prompted-model")["prompted"]
    model = load_model("./prompted-model", device="cpu")
    asked, told = prompted.compute_query_embeddings("w1 w2")[0], prompted.compute_source_embeddings(["w1 w2"])[0]
    assert asked == pytest.approx(model.encode_query("w1 w2", normalize_embeddings=True).tolist(), abs=1e-6)
    assert told == pytest.approx(model.encode_document("w1 w2", normalize_embeddings=True).tolist(), abs=1e-6)
    assert asked != pytest.approx(told, abs=1e-3)
