"""The recipe `nli` on small local data: what is trained, what is measured, what it says, and how it goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.recipes.classify import Intents, classify, read_intents
from pipelines.recipes.nli import inferred, run, verdict
from pipelines.recipes.order import Order
from schemas.errors import InputError, Interrupted
from tests.pipelines.recipe_data import intent_rows, nli_folder, nli_rows, rated_rows, read_lines
from tests.train.conftest import write_jsonl
from train.forgetting import Forgetting
from train.verdict import Outcome as Decision

FAST = ("--max-steps", "3", "--device", "cpu", "--set", "batch_size=8", "--set", "learning_rate=0.02")


def recipe(*arguments: str | Path, expect: int = 0) -> str:
    done = CliRunner().invoke(main, ["recipe", *map(str, arguments)])
    assert done.exit_code == expect, done.output
    return done.stdout if expect == 0 else done.output


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nli_folder(tmp_path_factory.mktemp("nli"))


@pytest.fixture(scope="module")
def ran(source: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...], dict[str, Any]]:
    """The folder of a whole run from a plain BERT and an embedding model, the command, and what it said as JSON."""
    out = tmp_path_factory.mktemp("recipe") / "out"
    models = ("--model", str(tiny_model.parent / "bert"), "--tuned", str(tiny_model))
    command = ("nli", "--source", str(source), "--out", str(out), *models, *FAST)
    found: dict[str, Any] = json.loads(recipe(*command, "--json"))
    return out, command, found


def test_every_figure_of_the_source_stands_beside_one_of_this_run(ran: Any) -> None:
    out, _, found = ran
    assert [(figure["what"], figure["published"]) for figure in found["figures"]] == [
        ("STS-B Spearman, bert before training", None),
        ("training loss, SoftmaxLoss", "0.845"),
        ("STS-B Spearman, SoftmaxLoss", 0.45),
        ("training loss, CosineSimilarityLoss", "0.232 → 0.142"),
        ("STS-B Spearman, CosineSimilarityLoss", 0.73),
        ("training loss, MultipleNegativesRankingLoss", "0.345 → 0.069"),
        ("STS-B Spearman, MultipleNegativesRankingLoss", 0.82),
        ("Banking77 accuracy, MultipleNegativesRankingLoss", None),
        ("STS-B Spearman, model before", 0.867),
        ("Banking77 accuracy, model before", None),
        ("Banking77 macro F1, model before", None),
        ("STS-B Spearman, model tuned again", 0.848),
        ("Banking77 accuracy, model tuned again", 0.46),
        ("Banking77 macro F1, model tuned again", 0.458),
    ]
    trained = found["details"]["training"]
    assert {name: (run["loss"], run["rows"], run["steps"]) for name, run in trained.items()} == {
        "SoftmaxLoss": ("SoftmaxLoss", 144, 3),
        "CosineSimilarityLoss": ("CosineSimilarityLoss", 144, 3),
        "MultipleNegativesRankingLoss": ("MultipleNegativesRankingLoss", 48, 3),
        "already tuned": ("MultipleNegativesRankingLoss", 48, 3),
    }
    losses = trained["SoftmaxLoss"]["losses"]
    assert found["figures"][1]["here"] == f"{losses[0]:.3f} → {losses[-1]:.3f}"
    assert json.loads((out / "recipe.json").read_text()) == found


def test_correlations_are_those_of_the_models_it_wrote(ran: Any, tiny_model: Path) -> None:
    """Measured anew with the library's own encoding and scipy, on the validation rows alone."""
    from scipy.stats import spearmanr
    from sentence_transformers import SentenceTransformer

    out, _, found = ran
    rows = [row for row in rated_rows() if row["split"] == "dev"]
    places = {"untrained": tiny_model.parent / "bert", "before": tiny_model, "after": out / "models" / "already-tuned"}
    places |= {"SoftmaxLoss": out / "models" / "softmax", "MultipleNegativesRankingLoss": out / "models" / "mnrl"}
    for name, folder in places.items():
        model = SentenceTransformer(str(folder), device="cpu")
        first, second = (
            model.encode([row[key] for row in rows], normalize_embeddings=True) for key in ("sentence1", "sentence2")
        )
        expected = spearmanr((first * second).sum(axis=1), [row["score"] for row in rows]).statistic
        assert found["details"]["spearman"][name] == pytest.approx(expected, abs=1e-6), name
    # The plain encoder has the weights of the tuned one here: what is trained alike comes out alike, and all else differs.
    measured = found["details"]["spearman"]
    assert (measured["untrained"], measured["MultipleNegativesRankingLoss"]) == (measured["before"], measured["after"])
    assert len(set(measured.values())) == 4


def test_the_verdict_is_said_first_and_rests_on_the_difference(ran: Any) -> None:
    out, _, found = ran
    change, before, after = found["details"]["stsb"], *(found["details"]["spearman"][name] for name in ("before", "after"))
    assert (change["base"], change["tuned"], change["pairs"]) == (before, after, 40)
    assert found["headline"].startswith(found["details"]["verdict"] + ": ")
    assert f"STS-B Spearman {before:.3f} → {after:.3f}" in found["headline"]
    assert (out / "recipe.md").read_text().splitlines()[2] == found["headline"]


@pytest.mark.parametrize(
    ("low", "high", "decision", "words"),
    [
        (0.012, 0.026, Decision.DO_NOT_SHIP, "tuning made the already tuned model worse, STS-B Spearman 0.867 → 0.848"),
        (-0.002, 0.026, Decision.NOT_PROVEN, "neither better nor worse than before"),
        (-0.03, -0.01, Decision.NOT_PROVEN, "better than before on general similarity alone"),
    ],
)
def test_a_loss_beyond_chance_is_called_worse(low: float, high: float, decision: Decision, words: str) -> None:
    said = verdict(Forgetting(1500, 0.867, 0.848, 0.019, low, high))
    assert said[0] == decision
    assert said[1].startswith(f"{decision}: {words}")


def test_the_same_command_again_trains_nothing(ran: Any) -> None:
    out, command, found = ran
    before = {path: path.stat().st_mtime_ns for path in out.glob("models/*/*")}
    lines = recipe(*command).splitlines()
    assert json.loads((out / "recipe.json").read_text()) == found
    assert {path: path.stat().st_mtime_ns for path in out.glob("models/*/*")} == before
    assert lines[0] == found["headline"]
    assert lines[2].split() == ["published", "this", "run"]
    assert lines[5].split()[-2:] == ["0.450", f"{found['details']['spearman']['SoftmaxLoss']:.3f}"]


def test_an_interrupted_recipe_goes_on_where_it_was(ran: Any, tmp_path: Path) -> None:
    """Stopped in the second of four trainings: the first is not trained again, and all figures are those of the undisturbed run."""
    _, command, found = ran
    options = dict(zip(command[1::2], command[2::2], strict=True))
    order = Order(
        tmp_path / "out",
        Path(options["--source"]),
        model=options["--model"],
        tuned=options["--tuned"],
        max_steps=3,
        device="cpu",
        sets=("batch_size=8", "learning_rate=0.02"),
    )

    def stop(step: str, done: int, _: int | None) -> None:
        if (step, done) == ("train cosine: train", 2):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="the same command goes on from the last checkpoint"):
        run(replace(order, progress=stop))
    steps: list[str] = []
    again = run(replace(order, progress=lambda step, *_: steps.append(step)))
    trained = {step for step in steps if step.endswith(": train")}
    assert trained == {"train cosine: train", "train mnrl: train", "train already-tuned: train"}
    assert again.details["spearman"] == found["details"]["spearman"]
    assert again.details["classification"] == found["details"]["classification"]


def test_negatives_are_hypotheses_of_other_entailments(ran: Any) -> None:
    out, _, _ = ran
    rows = read_lines(out / "data" / "triplets.jsonl")
    entailed = [(row["premise"], row["hypothesis"]) for row in nli_rows() if row["label"] == 0]
    assert [(row["anchor"], row["positive"]) for row in rows] == entailed
    assert sorted(row["negative"] for row in rows) == sorted(row["positive"] for row in rows)
    assert all(row["negative"] != row["positive"] for row in rows)
    assert [row["negative"] for row in rows] != [row["positive"] for row in rows[1:]] + [rows[0]["positive"]]


def test_labels_by_name_and_rows_without_one() -> None:
    rows = [
        {"premise": "a", "hypothesis": "b", "label": label} for label in ("entailment", "Contradiction", "neutral", "-", -1, 2)
    ]
    assert inferred(rows) == ([("a", "b", label) for label in (0, 2, 1, 2)], 2)
    with pytest.raises(InputError, match="not all of entailment, neutral, contradiction among the labels"):
        inferred(rows[:2])


class Planted:
    """Gives each text a vector of its class."""

    def __init__(self, wrong: int = 0) -> None:
        self.wrong = wrong

    def encode(self, texts: list[str], **_: Any) -> Any:
        vectors = np.eye(3)[[int(text[-1]) for text in texts]]
        vectors[: self.wrong] = np.roll(vectors[: self.wrong], 1, axis=1) if len(texts) == 6 else vectors[: self.wrong]
        return vectors


def test_classification_of_planted_vectors() -> None:
    """Of six test texts, two of a class, the first two (classes 0 and 1) look like those of classes 1 and 2."""
    train, test = [f"t {n % 3}" for n in range(30)], [f"t {n % 3}" for n in range(6)]
    intents = Intents((train, [text[-1] for text in train]), (test, [text[-1] for text in test]))
    assert classify(Planted(), intents, 0).accuracy == 1.0
    found = classify(Planted(wrong=2), intents, 0)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 4 / 5) / 3)  # precision and recall: 1, 1/2; 1/2, 1/2; 2/3, 1


@pytest.mark.parametrize(
    ("name", "what", "message"),
    [
        (
            "stsb",
            "nothing",
            "nothing here begins with 'stsb'\n  next: put stsb.jsonl (or .csv, .tsv, .parquet) there, or give --stsb FILE",
        ),
        ("banking77", "columns", "no column label_text or label or category or intent among"),
        ("stsb", "scores", "a score is no number"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, name: str, what: str, message: str) -> None:
    folder = nli_folder(tmp_path / "source")
    file = folder / f"{name}.jsonl"
    rows = intent_rows() if name == "banking77" else rated_rows()
    if what == "nothing":
        file.unlink()
    else:
        write_jsonl(file, [{key: value for key, value in row.items() if key != "label"} | {"score": "high"} for row in rows])
    assert message in recipe("nli", "--source", folder, "--out", tmp_path / "out", expect=3)


def test_what_a_recipe_has_no_use_for_is_refused(tmp_path: Path, source: Path) -> None:
    assert "the recipe nli has no use for it" in recipe("nli", "--reranker", "x", expect=2)
    out = ("--source", source, "--out", tmp_path / "out")
    assert "loss is what this recipe sets itself" in recipe("nli", *out, "--set", "loss=CoSENTLoss", expect=2)
    assert "this recipe trains for one number of epochs" in recipe("nli", *out, "--epochs", "1,3", expect=2)
    assert "give whole numbers" in recipe("nli", *out, "--epochs", "1,x", expect=2)


def test_without_a_source_the_hub_is_asked_and_its_absence_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come from the hub's datasets by name where there is no local copy."""
    import datasets

    asked: list[tuple[Any, ...]] = []

    def load_dataset(name: str, config: str | None, split: str | None) -> Any:
        asked.append((name, config, split))
        if config == "stsb":
            raise ConnectionError("no network here")
        return datasets.Dataset.from_list(nli_rows())

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    said = recipe("nli", "--out", tmp_path / "out", expect=3)
    assert asked == [("nyu-mll/glue", "mnli", "train"), ("nyu-mll/glue", "stsb", "validation")]
    assert "the Hugging Face hub cannot be reached: no network here" in said
    assert "download nyu-mll/glue/stsb:validation elsewhere and give --stsb FILE: sentence1, sentence2, score" in said


@pytest.mark.parametrize("saved", ["save_to_disk", "folder with one file", "csv"])
def test_a_local_copy_may_have_any_of_these_shapes(tmp_path: Path, saved: str) -> None:
    import datasets

    place = tmp_path / "banking77"
    if saved == "save_to_disk":
        split = {name: [row for row in intent_rows() if row["split"] == name] for name in ("train", "test")}
        rows = {
            name: datasets.Dataset.from_list([{k: v for k, v in row.items() if k != "split"} for row in split[name]])
            for name in split
        }
        datasets.DatasetDict(rows).save_to_disk(str(place))
    elif saved == "csv":
        place = tmp_path / "banking77.csv"
        lines = [f"{row['split']},{row['text']},{row['label']}" for row in intent_rows()]
        place.write_text("\n".join(["split,text,label", *lines]) + "\n")
    else:
        write_jsonl(place / "rows.jsonl", intent_rows())
        (place / "README.md").write_text("about")
    for order in (Order(tmp_path, tmp_path), Order(tmp_path, None, {"banking77": place})):
        found = read_intents(order)
        assert found.train == tuple([row[key] for row in intent_rows() if row["split"] == "train"] for key in ("text", "label"))
        assert found.test == tuple([row[key] for row in intent_rows() if row["split"] == "test"] for key in ("text", "label"))


def test_intents_without_splits_are_divided_by_hash(tmp_path: Path) -> None:
    rows = [
        {key: value for key, value in row.items() if key != "split"} | {"id": number} for number, row in enumerate(intent_rows())
    ]
    write_jsonl(tmp_path / "banking77.jsonl", rows)
    found = read_intents(Order(tmp_path, tmp_path))
    assert (len(found.train[0]), len(found.test[0])) == (44, 10)
    assert sorted(found.train[0] + found.test[0]) == sorted(row["text"] for row in intent_rows())
    assert read_intents(Order(tmp_path, tmp_path)) == found


@pytest.mark.shared_data
def test_real_data_with_few_rows(shared_data: Path, tiny_model: Path, tmp_path: Path) -> None:
    """SNLI, STS-B and Banking77 as they lie in one folder, found by their names."""
    models = ("--model", tiny_model.parent / "bert", "--tuned", tiny_model)
    found = json.loads(
        recipe("nli", "--source", shared_data, "--out", tmp_path / "out", *models, *FAST, "--max-rows", "300", "--json")
    )
    assert found["notes"][0].startswith("300 rows of premise and hypothesis, 300 rated pairs, 300 and 300 texts of 7")
    assert found["details"]["stsb"]["pairs"] == 300
