"""Tasks of MTEB: through the library where it is installed, its seams through a stand-in everywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import BaseModel

from schemas.errors import InputError, SettingsError, TrainingError
from schemas.evaluation import EvaluateSettings
from train.mteb_tasks import mteb_scores
from train.rankings import Fused

SETTINGS = EvaluateSettings(device="cpu", encode_batch_size=7)


class Metadata(BaseModel):
    name: str
    dataset: dict[str, Any] = {"path": "hub/one", "revision": "abc"}


class StandIn:
    """What `mteb` looks like from here; the score of a model is its number of modules."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.shared = Metadata(name="OneTask")

    def get_task(self, name: str) -> Any:
        if name != "OneTask":
            raise KeyError(name)
        return SimpleNamespace(metadata=self.shared)

    def evaluate(self, model: Any, task: Any, **options: Any) -> Any:
        self.calls.append((task.metadata.name, task.metadata.dataset, options))
        print("noise of the library")
        if self.fault is not None:
            raise self.fault
        return SimpleNamespace(task_results=[SimpleNamespace(get_score=lambda: len(model) / 4)])


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "mteb", stand_in)
    return stand_in


def test_every_model_gets_the_main_score(library: StandIn, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[str] = []
    systems = {"BM25": {"q": []}, "base": str(tiny_model), "hybrid": Fused(("BM25",)), "tuned": tiny_model}
    found = mteb_scores(systems, ["OneTask"], None, SETTINGS, lambda step, *_: steps.append(step))
    assert found == {"OneTask": {"base": 0.5, "tuned": 0.5}}
    assert library.calls[0][1] == {"path": "hub/one", "revision": "abc"}
    assert library.calls[0][2] == {"cache": None, "show_progress_bar": False, "encode_kwargs": {"batch_size": 7}}
    assert steps == ["OneTask base", "OneTask tuned"]
    assert capsys.readouterr().out == ""


def test_a_local_folder_stands_for_the_hub(library: StandIn, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "OneTask").mkdir()
    mteb_scores({"base": str(tiny_model)}, ["OneTask"], tmp_path, SETTINGS)
    assert library.calls[0][1] == {"path": str(tmp_path / "OneTask"), "revision": "local"}
    assert library.shared.dataset == {"path": "hub/one", "revision": "abc"}
    with pytest.raises(InputError, match="no folder OneTask here"):
        mteb_scores({"base": str(tiny_model)}, ["OneTask"], tmp_path / "elsewhere", SETTINGS)


def test_faults(library: StandIn, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="mteb has no task 'Nothing'"):
        mteb_scores({"base": str(tiny_model)}, ["Nothing"], None, SETTINGS)
    library.fault = ConnectionError("hub unreachable\nmore")
    with pytest.raises(TrainingError, match="OneTask: the task cannot be run: hub unreachable") as caught:
        mteb_scores({"base": str(tiny_model)}, ["OneTask"], None, SETTINGS)
    assert "--mteb-data" in caught.value.next_step
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(TrainingError, match="mteb is not installed") as missing:
        mteb_scores({"base": str(tiny_model)}, ["OneTask"], None, SETTINGS)
    assert missing.value.next_step == 'pip install "curate-embeddings[mteb]"'
    assert mteb_scores({"base": str(tiny_model)}, [], None, SETTINGS) == {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_library_itself_runs_a_task_from_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("mteb")
    folder = tmp_path / "STSBenchmark"
    folder.mkdir()
    rows = {"sentence1": ["w1 w2", "w3", "w5 w6"], "sentence2": ["w1 w2", "w9", "w5 w8"], "score": [5.0, 0.0, 3.0]}
    pl.DataFrame(rows).write_parquet(folder / "test.parquet")
    found = mteb_scores({"base": str(tiny_model)}, ["STSBenchmark"], tmp_path, SETTINGS)
    assert found == {"STSBenchmark": {"base": pytest.approx(1.0)}}
