"""From a verdict to the final model: what is kept of an evaluation, who may be refitted, and what a poisoned model is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from tests.pipelines.test_evaluation import rated_pairs
from tests.train.conftest import passage, question, seal

TRAIN = ("epochs=8", "batch_size=8", "learning_rate=1e-2", "device=cpu")
# Eight toy questions cannot prove what fifty real ones would.
LENIENT = ("min_real_queries=1", "min_clusters=2", "max_forgetting=2", "max_similarity_rise=2", "min_rank_share=0.01")


def curate(*arguments: str | Path, expect: int = 0) -> str:
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == expect, done.output
    return done.stdout if expect == 0 else done.output


def tuned(dataset: Path, base: Path, out: Path) -> Path:
    curate("train", dataset, "--out", out, "--model", base, *(part for item in TRAIN for part in ("--set", item)))
    return out


def judge(model: Path, dataset: Path, folder: Path, *more: str | Path, expect: int = 0) -> str:
    """Evaluated on questions of "people": those of the test split."""
    questions = [{"_id": f"u{n}", "text": question(n)} for n in range(50, 58)]
    qrels = [{"query-id": f"u{n}", "corpus-id": f"c{n:02}", "score": 1} for n in range(50, 58)]
    for name, rows in (("queries", questions), ("qrels", qrels)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rules = [part for rule in LENIENT for part in ("--set", f"verdict.{rule}")]
    own = ("--queries", folder / "queries.jsonl", "--qrels", folder / "qrels.jsonl", "--general", rated_pairs(folder / "g.csv"))
    return curate("evaluate", model, dataset, *own, "--set", "draws=200", "--set", "device=cpu", *rules, *more, expect=expect)


@pytest.fixture(scope="module")
def weak(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path_factory.mktemp("base") / "weak"))


@pytest.fixture
def dataset(make_dataset: Any) -> Path:
    made: Path = make_dataset()
    chunks = [
        {
            "chunk_id": f"c{n:02}",
            "document_id": f"d{n:02}",
            "source": f"{n}.txt",
            "title": f"T{n}",
            "text": passage(n),
            "start": 0,
            "end": 9,
        }
        for n in range(58)
    ]
    (made / "provenance").mkdir()
    pl.DataFrame(chunks).write_parquet(made / "provenance" / "chunks.parquet")
    seal(made)
    return made


def test_a_model_worth_shipping_is_refitted_on_all_splits(weak: Path, dataset: Path, tmp_path: Path) -> None:
    model = tuned(dataset, weak, tmp_path / "model")
    refused = curate("train", dataset, "--out", tmp_path / "final", "--refit", model, expect=9)
    assert "only a model whose verdict is SHIP is refitted (never evaluated)" in refused
    said = judge(model, dataset, tmp_path)
    assert said.startswith("SHIP"), said
    kept = json.loads((model / "evaluation.json").read_text())
    record = json.loads((model / "training.json").read_text())
    assert kept["weights_sha256"] == record["weights_sha256"]
    assert list(kept["evaluations"]) == ["user"]
    about = kept["evaluations"]["user"]
    assert about["verdict"]["outcome"] == "SHIP"
    assert about["rules"]["min_clusters"] == 2
    assert about["dataset_manifest_sha256"] == record["dataset_manifest_sha256"]
    assert [row["name"] for row in about["evaluation"]["systems"]] == ["BM25", "base", "tuned", "hybrid"]
    card = (model / "README.md").read_text()
    assert card.count("## Verdict") == 1
    assert "is not said here" not in card
    assert "**SHIP** on `user`: 8 queries (8 of people), 58 passages." in card or "**SHIP: BM25 beats" in card
    assert "`training.json` holds every setting" in card
    assert "<!-- /verdict -->\n\n```python" in card
    final = tmp_path / "final"
    lines = curate("train", dataset, "--out", final, "--refit", model)
    assert "58 triplets" in lines
    again = json.loads((final / "training.json").read_text())
    assert (again["model"], again["rows"], again["best_step"], again["settings"]["splits"]) == (str(weak), 58, None, "all")
    assert again["steps"] == round(record["best_step"] * 58 / 40)
    assert {name: again["settings"][name] for name in ("learning_rate", "batch_size", "seed")} == {
        name: record["settings"][name] for name in ("learning_rate", "batch_size", "seed")
    }
    assert "Trained on all splits: no question of this dataset can judge the model." in (final / "README.md").read_text()
    assert "already trained" in curate("train", dataset, "--out", final, "--refit", model)
    # Its own questions cannot judge it any more; people's can.
    assert "was trained on all splits of this dataset" in curate("evaluate", final, dataset, "--base", weak, expect=3)
    judge(final, dataset, tmp_path, "--no-record")
    assert not (final / "evaluation.json").exists()


def test_a_second_test_stands_beside_the_first_and_harm_on_one_is_enough(weak: Path, dataset: Path, tmp_path: Path) -> None:
    model = tuned(dataset, weak, tmp_path / "model")
    judge(model, dataset, tmp_path)
    curate(
        "evaluate", model, dataset, "--set", "draws=200", "--set", "device=cpu", "--set", "verdict.max_similarity_rise=0.0000001"
    )
    kept = json.loads((model / "evaluation.json").read_text())["evaluations"]
    outcomes = {name: about["verdict"]["outcome"] for name, about in kept.items()}
    assert outcomes["user"] == "SHIP"
    assert (model / "README.md").read_text().count("**") == 4
    rises = json.loads((model / "evaluation.json").read_text())["evaluations"]["test"]["evaluation"]["systems"]
    harmed = rises[2]["passage_similarity"] - rises[1]["passage_similarity"] > 1e-7
    assert outcomes["test"] == ("DO NOT SHIP" if harmed else "NOT PROVEN")
    if harmed:
        refused = curate("train", dataset, "--out", tmp_path / "final", "--refit", model, expect=9)
        assert "DO NOT SHIP on test, SHIP on user" in refused


def test_the_verdict_of_other_weights_does_not_count(weak: Path, dataset: Path, tmp_path: Path) -> None:
    model = tuned(dataset, weak, tmp_path / "model")
    judge(model, dataset, tmp_path)
    kept = json.loads((model / "evaluation.json").read_text())
    (model / "evaluation.json").write_text(json.dumps(kept | {"weights_sha256": "of an earlier model"}))
    assert "never evaluated" in curate("train", dataset, "--out", tmp_path / "final", "--refit", model, expect=9)
    for broken in ({"user": 1}, {"user": {"verdict": {"outcome": "SURE"}, "evaluation": {}}}, ["user"]):
        (model / "evaluation.json").write_text(json.dumps(kept | {"evaluations": broken}))
        assert "never evaluated" in curate("train", dataset, "--out", tmp_path / "final", "--refit", model, expect=9)
    (model / "evaluation.json").write_text("no JSON")
    assert "never evaluated" in curate("train", dataset, "--out", tmp_path / "final", "--refit", model, expect=9)


def test_a_gain_on_other_documents_proves_nothing_here(weak: Path, dataset: Path, tmp_path: Path) -> None:
    model = tuned(dataset, weak, tmp_path / "model")
    judge(model, dataset, tmp_path)
    kept = json.loads((model / "evaluation.json").read_text())
    kept["evaluations"]["user"]["dataset_manifest_sha256"] = ""
    (model / "evaluation.json").write_text(json.dumps(kept))
    refused = curate("train", dataset, "--out", tmp_path / "final", "--refit", model, expect=9)
    assert "SHIP on user, which is another dataset" in refused


def test_another_dataset_and_models_of_elsewhere(weak: Path, dataset: Path, make_dataset: Any, tmp_path: Path) -> None:
    model = tuned(dataset, weak, tmp_path / "model")
    judge(model, dataset, tmp_path)
    other = make_dataset("other", dev=range(40, 45))
    refused = curate("train", other, "--out", tmp_path / "final", "--refit", model, expect=3)
    assert "is not the dataset that" in refused
    assert "is no model that `curate train` made" in curate("train", dataset, "--out", tmp_path / "f", "--refit", weak, expect=2)
    # A model of elsewhere is judged, and its folder left alone.
    judge(weak, dataset, tmp_path, "--base", weak)
    assert not (weak / "evaluation.json").exists()
    both = curate("train", dataset, "--out", tmp_path / "f", "--refit", model, "--model", weak, expect=2)
    assert "give --model" in both
    assert "all settings are those of MODEL" in curate(
        "train", dataset, "--out", tmp_path / "f", "--refit", model, "--set", "epochs=3", expect=2
    )


def test_a_poisoned_model_is_not_shipped(weak: Path, dataset: Path, make_dataset: Any, tmp_path: Path) -> None:
    good = tuned(dataset, weak, tmp_path / "good")
    shuffled = pl.DataFrame({"anchor": [question(n) for n in range(40)], "positive": [passage((n + 17) % 40) for n in range(40)]})
    poison = make_dataset("poison", with_triplets=False, pairs=shuffled, dev=range(40, 40))
    bad = tuned(poison, good, tmp_path / "bad")
    said = judge(bad, dataset, tmp_path)
    assert said.startswith("DO NOT SHIP"), said
    assert "The tuned model is worse than the untuned one: the whole interval lies below 0." in said
    assert "**DO NOT SHIP" in (bad / "README.md").read_text()
    # A copy is neither better nor worse.
    copy = shutil.copytree(good, tmp_path / "copy")
    said = judge(copy, dataset, tmp_path, "--base", good)
    assert said.startswith("NOT PROVEN"), said
    assert "+0.000" in said
