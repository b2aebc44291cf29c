"""Plain files of rows: what their columns say, which rows cannot be used, and what is wrong with a file that fits nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from schemas.errors import InputError
from schemas.plain import KINDS
from schemas.training import TrainSettings
from train.data import read_training_data
from train.losses import LOSSES
from train.models import choose_precision
from train.plain import read_plain


def write(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


CASES = [
    ({"query": "q", "passage": "p"}, "pairs", ("q", "p")),
    ({"Question": "q", "answer": "a", "context": "c"}, "pairs", ("q", "c")),
    ({"anchor": "q", "positive": "p", "negative": "n"}, "triplets", ("q", "p", "n")),
    ({"anchor": "q", "positive": "p", "negative-2": "n2", "negative-1": "n1"}, "triplets", ("q", "p", "n1", "n2")),
    ({"query": "q", "pos": ["p"], "neg": ["n", "m"]}, "multi_positive", ("q", ["p"], ["n", "m"])),
    ({"query": "q", "passage": "p", "negatives": ["n", "m"]}, "multi_positive", ("q", ["p"], ["n", "m"])),
    ({"query": "q", "positives": ["p", "p", " "]}, "multi_positive", ("q", ["p"], [])),
    ({"sentence1": "a", "sentence2": "a", "score": "0.5"}, "scored", ("a", "a", 0.5)),
    ({"text_a": "a", "text_b": "b", "label": True}, "labeled", ("a", "b", 1)),
    ({"premise": "a", "hypothesis": "b", "label": "0"}, "nli", ("a", "b", 0)),
    ({"sentence1": "a", "sentence2": "b", "label": "Neutral"}, "nli", ("a", "b", 1)),
    (
        {"anchor": "q", "positive": "p", "negative": "n", "positive_score": 0.9, "negative_1_score": -0.1},
        "distilled",
        ("q", "p", "n", 0.9, -0.1),
    ),
]


@pytest.mark.parametrize(("row", "kind", "values"), CASES)
def test_columns_say_what_the_rows_are(tmp_path: Path, row: dict[str, Any], kind: str, values: tuple[Any, ...]) -> None:
    plain = read_plain(write(tmp_path, row))
    assert (plain.kind, plain.frame.rows()) == (kind, [values])
    assert (
        plain.negatives == sum(name.startswith("negative_") and "score" not in name for name in plain.frame.columns)
        or kind == "multi_positive"
    )


def test_every_kind_is_described_and_tested() -> None:
    assert set(KINDS) == set(LOSSES) == {kind for _, kind, _ in CASES}


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    good = {"anchor": "q", "positive": "p", "negative": "n", "id": 7}
    rows = [good, good | {"negative": "p"}, good | {"positive": None}, good | {"anchor": "p"}, good | {"negative": " "}]
    plain = read_plain(write(tmp_path, *rows))
    assert plain.frame.rows() == [("q", "p", "n")]
    assert plain.notes == (
        "Read as triplets: anchor = anchor, positive = positive, negative_1 = negative (not used: id).",
        "Rows left out: 4 (a passage twice 1, anchor equals positive 1, blank text 2).",
    )
    with pytest.raises(InputError, match=r"rows\.jsonl: no usable row \(blank text: 1\)"):
        read_plain(write(tmp_path, good | {"anchor": ""}))


def test_labels_that_are_none_are_counted(tmp_path: Path) -> None:
    rows = [{"premise": "a", "hypothesis": "b", "label": label} for label in ("entailment", "contradiction", "-", None, -1, 2)]
    plain = read_plain(write(tmp_path, *rows))
    assert plain.frame["label"].to_list() == [0, 2, 2]
    assert plain.notes[-1] == "Rows left out: 3 (no label that is known 3)."


def test_scores_of_an_sts_file_are_divided(tmp_path: Path) -> None:
    rows = [{"sentence1": "a", "sentence2": "b", "score": score} for score in (0, 2.5, 5)]
    plain = read_plain(write(tmp_path, *rows))
    assert plain.frame["score"].to_list() == [0.0, 0.5, 1.0]
    assert plain.notes[-1] == "Scores divided by 5: they go beyond 1, as in STS."
    with pytest.raises(InputError, match="scores from -1 to 5"):
        read_plain(write(tmp_path, *rows, rows[0] | {"score": -1}))


def test_a_split_column_chooses_the_training_rows(tmp_path: Path) -> None:
    rows = [{"query": f"q{n}", "passage": f"p{n}", "split": split} for n, split in enumerate(("train", "test", "train"))]
    plain = read_plain(write(tmp_path, *rows))
    assert plain.frame["anchor"].to_list() == ["q0", "q2"]
    assert plain.notes[0] == "Rows of the split `train`: 2 of 3."


def test_columns_that_fit_nothing_are_named_with_the_losses(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_plain(write(tmp_path, {"titel": "a", "inhalt": "b"}))
    assert caught.value.what == "columns titel, inhalt fit no kind of training rows"
    assert "anchor, positive, negative (or negative_1 … negative_k): MultipleNegativesRankingLoss" in caught.value.next_step
    assert (
        "premise, hypothesis and a label: entailment (0), neutral (1), contradiction (2): SoftmaxLoss" in caught.value.next_step
    )
    with pytest.raises(InputError, match="holds no rows"):
        read_plain(write(tmp_path))


def test_a_file_of_another_kind_than_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, {"query": "q", "passage": "p"})
    with pytest.raises(InputError, match=r"these rows are pairs, not scored \(columns: query, passage\)"):
        read_training_data(path, TrainSettings(data="scored"))


def test_the_command_trains_on_a_file_and_says_how_it_was_read(tiny_model: Path, tmp_path: Path) -> None:
    rows = [{"sentence1": f"w{n}", "sentence2": f"w{n} thing", "score": n} for n in range(6)]
    command = ["train", str(write(tmp_path, *rows)), "--out", str(tmp_path / "out"), "--model", str(tiny_model)]
    result = CliRunner().invoke(main, [*command, "--set", "max_steps=1", "--set", "device=cpu"])
    assert result.exit_code == 0, result.output
    assert f"6 scored pairs, CoSENTLoss, 1 steps on cpu ({choose_precision('auto', 'cpu')})" in result.stdout
    assert "- Read as scored: anchor = sentence1, passage = sentence2, score = score." in result.stdout
    assert "- Scores divided by 5: they go beyond 1, as in STS." in result.stdout
    refused = CliRunner().invoke(main, [*command, "--set", "loss=TripletLoss"])
    assert (refused.exit_code, "TripletLoss does not take scored (columns: anchor, passage, score)" in refused.output) == (
        2,
        True,
    )
    missing = CliRunner().invoke(main, ["train", str(tmp_path / "no"), *command[2:]])
    assert (missing.exit_code, "no manifest.json here" in missing.output) == (3, True)


@pytest.mark.parametrize(
    ("loss", "columns", "note"),
    [
        ("SoftmaxLoss", ["anchor", "passage", "label"], None),
        (
            "CosineSimilarityLoss",
            ["anchor", "passage", "score"],
            "Entailment counts as a score of 1, neutral and contradiction as 0.",
        ),
        ("MultipleNegativesRankingLoss", ["anchor", "positive"], "Rows that say entailment are the pairs: 1 of 3."),
    ],
)
def test_entailment_as_each_loss_takes_it(tmp_path: Path, loss: Any, columns: list[str], note: str | None) -> None:
    rows = [{"premise": "a", "hypothesis": f"b{label}", "label": label} for label in ("entailment", "neutral", "contradiction")]
    data = read_training_data(write(tmp_path, *rows), TrainSettings(loss=loss))
    assert data.rows.columns == columns
    assert data.rows.rows()[0] == ("a", "bentailment", *({"label": (0,), "score": (1.0,)}.get(columns[-1], ())))
    assert data.notes[1:] == ((note,) if note else ())
