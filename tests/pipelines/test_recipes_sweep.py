"""The recipes `squad` and `gooaq`: mined triplets, a model for each number of epochs, hit rates of every search, where overfitting begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.recipes.sweep import overfits_after
from schemas.evaluation import EvaluateSettings
from tests.curate.tiny_gate_models import save_tiny_cross_encoder
from tests.pipelines.recipe_data import question_rows
from tests.train.conftest import write_jsonl
from train.eval_set import read_eval_set
from train.evaluate import evaluate

FAST = ("--max-steps", "3", "--device", "cpu", "--set", "learning_rate=0.01")


def recipe(*arguments: str | Path, expect: int = 0) -> str:
    done = CliRunner().invoke(main, ["recipe", *map(str, arguments)])
    assert done.exit_code == expect, done.output
    return done.stdout if expect == 0 else done.output


@pytest.fixture(scope="module")
def ran(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, Any]]:
    """The folder of a whole run over one and two epochs with a reranker, the command, and what it said as JSON."""
    folder = tmp_path_factory.mktemp("squad")
    source = write_jsonl(folder / "squad.jsonl", question_rows(160))
    reranker = save_tiny_cross_encoder(folder / "reranker")
    command = ["squad", "--source", source, "--out", folder / "out", "--model", tiny_model, "--reranker", reranker]
    words = [*map(str, command), "--epochs", "2,1", *FAST, "--set", "mine.negatives=2"]
    return folder / "out", words, json.loads(recipe(*words, "--json"))


def test_every_search_stands_with_and_without_the_reranker(ran: Any) -> None:
    _, _, found = ran
    best = found["details"]["epochs"]
    other = {1: "2 epochs", 2: "1 epoch"}[best]
    chosen = {1: "1 epoch", 2: "2 epochs"}[best]
    searches = ["BM25", "vector, base", *(f"vector, {name}" for name in ("1 epoch", "2 epochs"))]
    searches += ["hybrid, base", "hybrid, 1 epoch", "hybrid, 2 epochs"]
    expected = [f"hit@5, hit@10: {name}{' (best on dev)' if name == f'vector, {chosen}' else ''}{end}" for name in searches for end in ("", " + reranker")]  # fmt: skip
    rows = {figure["what"]: figure["here"] for figure in found["figures"]}
    assert list(rows)[7:] == expected
    systems = {system["name"]: system["metrics"] for system in found["details"]["evaluation"]["systems"]}
    tuned = ["tuned" if name == chosen else name for name in ("1 epoch", "2 epochs")]
    hybrids = ["hybrid, base", *("hybrid" if name == "tuned" else f"hybrid, {name}" for name in tuned)]
    assert list(systems)[::2] == ["BM25", "base", *tuned, *hybrids]
    for row, system in ((f"vector, {other}", other), ("hybrid, base + reranker", "hybrid, base + reranker"), ("BM25", "BM25")):
        metrics = systems[system]
        assert rows[f"hit@5, hit@10: {row}"] == f"{metrics['hit@5']:.3f}, {metrics['hit@10']:.3f}"
    assert systems["BM25"]["hit@10"] == 1.0  # every question names three words of its passage


def test_published_figures_stand_beside(ran: Any) -> None:
    _, _, found = ran
    systems = {system["name"]: system["metrics"] for system in found["details"]["evaluation"]["systems"]}
    tuned = [name for name in ("tuned", "1 epoch", "2 epochs") if name in systems]
    before, after = systems["base"]["hit@5"], max(systems[name]["hit@5"] for name in tuned)
    share = f" ({after / before - 1:+.1%})" if before else ""
    again = [f"{name} + reranker" for name in ("base", *tuned)]
    reranked = f"{systems[again[0]]['hit@10']:.3f} → {max(systems[name]['hit@10'] for name in again[1:]):.3f}"
    better = sum(systems[name]["hit@10"] > systems["base"]["hit@10"] for name in tuned)
    figures = [(figure["what"], figure["published"], figure["here"]) for figure in found["figures"][:6]]
    assert figures[0] == ("hit@5, vector search, base → best tuned", "small", f"{before:.3f} → {after:.3f}{share}")
    assert figures[2] == ("models that beat the base in hit@10", "3", f"{better} of 2")
    assert [(what, published) for what, published, _ in figures[3:5]] == [
        ("hit@5, reranked, base → best tuned", "0.623 → 0.645"),
        ("hit@10, reranked, base → best tuned", "0.700 → 0.719"),
    ]
    assert figures[4][2] == reranked
    assert figures[5][:2] == ("overfitting begins (dev nDCG@10 falls, the loss too)", "early")


def test_triplets_are_judged_by_each_of_their_negatives(ran: Any, tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer

    out, _, found = ran
    rows = pl.read_parquet(out / "build" / "dataset" / "triplets" / "test.parquet")
    accuracy = found["details"]["triplet_accuracy"]
    for name, place in (("base", tiny_model), ("1", out / "models" / "epochs-1"), ("2", out / "models" / "epochs-2")):
        model = SentenceTransformer(str(place), device="cpu")
        anchor, positive, first, second = (
            model.encode(rows[column].to_list(), normalize_embeddings=True) for column in rows.columns
        )
        right = [(anchor * others).sum(axis=1) for others in (positive, first, second)]
        assert accuracy[name] == pytest.approx(np.mean([right[0] > right[1], right[0] > right[2]]), abs=1e-6)
    best = found["details"]["epochs"]
    what = f"accuracy on test triplets, base → {best} epoch{'s' if best > 1 else ''}"
    assert (what, f"{accuracy['base']:.3f} → {accuracy[str(best)]:.3f}") in [
        (row["what"], row["here"]) for row in found["figures"]
    ]


def test_models_are_last_steps_chosen_among_on_dev(ran: Any, tiny_model: Path) -> None:
    """Trained on the triplets the build mined; the numbers on dev are those of the folders it wrote."""
    out, _, found = ran
    triplets = pl.read_parquet(out / "build" / "dataset" / "triplets" / "train.parquet")
    assert triplets.columns == ["anchor", "positive", "negative_1", "negative_2"]
    training = found["details"]["training"]
    assert {name: (run["rows"], run["steps"], run["loss"]) for name, run in training.items()} == {
        "1": (triplets.height, 3, "MultipleNegativesRankingLoss"),
        "2": (triplets.height, 3, "MultipleNegativesRankingLoss"),
    }
    record = json.loads((out / "models" / "epochs-2" / "training.json").read_text())
    assert (record["best_step"], record["settings"]["epochs"], record["settings"]["batch_size"]) == (None, 2, 16)
    dev = read_eval_set(out / "build" / "dataset", "dev")
    places = {"base": tiny_model, "1": out / "models" / "epochs-1", "2": out / "models" / "epochs-2"}
    measured = {
        system.name: system.metrics["ndcg@10"] for system in evaluate(places, dev, EvaluateSettings(device="cpu")).systems
    }
    assert found["details"]["dev"] == {"metric": "ndcg@10", **measured}
    assert measured[str(found["details"]["epochs"])] == max(measured["1"], measured["2"])
    assert found["headline"].startswith(found["details"]["verdict"]["headline"])


def test_the_same_command_again_builds_and_trains_nothing(ran: Any) -> None:
    out, words, found = ran
    kept = [*out.glob("models/*/*"), *out.glob("build/dataset/*/*")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert recipe(*words).splitlines()[0] == found["headline"]
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert json.loads((out / "recipe.json").read_text()) == found


def test_gooaq_reads_answers_and_says_what_its_source_got(tiny_model: Path, tmp_path: Path) -> None:
    rows = [{"question": row["question"], "answer": row["context"]} for row in question_rows(160)]
    source = write_jsonl(tmp_path / "gooaq.jsonl", rows)
    words = ("gooaq", "--source", source, "--out", tmp_path / "out", "--model", tiny_model, "--epochs", "1", *FAST, "--json")
    found = json.loads(recipe(*words))
    assert [figure["published"] for figure in found["figures"][:4]] == ["about +10%", "about +10%", "all", "unstable at about 10"]
    assert not [figure for figure in found["figures"] if "reranke" in figure["what"]]
    assert found["notes"][0].startswith(
        f"{found['details']['training']['1']['rows']} triplets to train on; 14 test questions, 160"
    )


@pytest.mark.parametrize(
    ("on_dev", "losses", "expected"),
    [
        ({0: 0.5, 1: 0.6, 3: 0.7, 10: 0.65}, {1: 0.9, 3: 0.5, 10: 0.1}, 3),
        ({0: 0.5, 1: 0.6, 3: 0.7, 10: 0.75}, {1: 0.9, 3: 0.5, 10: 0.1}, None),
        ({0: 0.8, 1: 0.6, 3: 0.7, 10: 0.75}, {1: 0.9, 3: 0.5, 10: 0.1}, 0),
        ({0: 0.5, 1: 0.7, 3: 0.7, 10: 0.7}, {1: 0.9, 3: 0.5, 10: 0.1}, 1),
        # Worse on dev and in training: unstable, not overfitted.
        ({0: 0.5, 1: 0.6, 3: 0.7, 10: 0.2}, {1: 0.9, 3: 0.5, 10: 2.5}, None),
    ],
)
def test_where_overfitting_begins(on_dev: dict[int, float], losses: dict[int, float], expected: int | None) -> None:
    assert overfits_after((1, 3, 10), on_dev, losses) == expected


def test_wrong_columns_and_too_few_rows_are_named(tmp_path: Path) -> None:
    rows = [{"premise": row["question"], "context": row["context"]} for row in question_rows(6)]
    out = ("--out", tmp_path / "out")
    said = recipe("squad", "--source", write_jsonl(tmp_path / "squad.jsonl", rows), *out, expect=3)
    assert "squad: no column question or query or anchor among premise, context" in said
    said = recipe("squad", "--source", write_jsonl(tmp_path / "few.jsonl", question_rows(2)), *out, expect=3)
    assert "give more rows (--max-rows)" in said


@pytest.mark.shared_data
def test_real_questions(shared_data: Path, tiny_model: Path, tmp_path: Path) -> None:
    folder = shared_data / "squad"
    questions = pl.read_parquet(folder / "v1_questions.parquet").filter(~pl.col("is_impossible"))
    paragraphs = pl.read_parquet(folder / "v1_paragraphs.parquet").select("para_id", "context")
    file = tmp_path / "squad.parquet"
    questions.join(paragraphs, on="para_id").select("question", "context").write_parquet(file)
    words = ("squad", "--source", file, "--out", tmp_path / "out", "--model", tiny_model, "--epochs", "1", "--max-rows", "600")
    found = json.loads(recipe(*words, *FAST, "--json"))
    systems = {system["name"]: system["metrics"] for system in found["details"]["evaluation"]["systems"]}
    assert systems["BM25"]["hit@10"] > 0.8 > systems["base"]["hit@10"]
