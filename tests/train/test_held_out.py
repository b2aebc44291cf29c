"""The dev set of a plain file: by its column `split`, or a share of the rows held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from schemas.errors import InputError, SettingsError
from schemas.training import TrainSettings
from train import held_out
from train.data import TrainingData, read_training_data
from train.eval_set import EvalSet
from train.sweep import train_sweep
from train.trainer import train_model


def write(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pair(number: int, **more: Any) -> dict[str, Any]:
    return {"anchor": f"q{number}", "positive": f"p{number}", **more}


def read(path: Path, **settings: Any) -> tuple[TrainingData, EvalSet]:
    data = read_training_data(path, TrainSettings(**settings))
    assert data.dev is not None
    return data, data.dev


def answers(dev: EvalSet) -> dict[str, list[str]]:
    """Query → the passages that answer it, as texts."""
    return {dev.queries[query]: [dev.corpus[item] for item in items] for query, items in dev.qrels.items()}


@pytest.mark.parametrize("name", ["dev", "validation", "valid", "val"])
def test_rows_that_the_column_split_calls_dev_choose(tmp_path: Path, name: str) -> None:
    rows = [
        pair(0, negative="n0", split="train"),
        pair(1, negative="n1", split=name),
        pair(1, positive="p9", negative="p0", split=name) | {"positive": "p9"},
        pair(2, negative="n2", split="test"),
    ]
    data, dev = read(write(tmp_path, *rows))
    assert data.rows.rows() == [("q0", "p0", "n0")]
    assert answers(dev) == {"q1": ["p1", "p9"]}
    # The passages of the test rows are not searched: nothing of them is looked at.
    assert sorted(dev.corpus.values()) == ["n0", "n1", "p0", "p1", "p9"]
    assert "Dev: 2 rows of the split `dev`, 1 queries; the best checkpoint by them is kept." in data.notes


def test_an_anchor_on_both_sides_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, pair(0, split="train"), pair(1, split="train"), pair(0, split="dev"), pair(2, split="dev"))
    with pytest.raises(
        InputError, match=r"rows\.jsonl: 1 anchors of the split `dev` are also training anchors, for example 'q0'"
    ):
        read_training_data(path, TrainSettings())


def test_a_share_is_held_out_in_whole_groups(tmp_path: Path) -> None:
    # Each two anchors share a passage, each four share anchors or passages through others.
    rows = [{"anchor": f"q{n}", "positive": f"p{n // 2}"} for n in range(200)]
    rows += [{"anchor": f"q{4 * n}", "positive": f"p{2 * n + 1}"} for n in range(50)]
    data, dev = read(write(tmp_path, *rows), dev_share=0.2)
    found = answers(dev)
    assert (data.rows.height, len(found)) == (200, 40)
    assert not set(found) & set(data.rows["anchor"])
    assert not {text for texts in found.values() for text in texts} & set(data.rows["positive"])
    whole = {int(anchor[1:]) // 4 for anchor in found}
    assert set(found) == {f"q{4 * group + place}" for group in whole for place in range(4)}
    assert all(found[f"q{4 * group}"] == [f"p{2 * group}", f"p{2 * group + 1}"] for group in whole)
    assert set(dev.corpus.values()) == {f"p{n}" for n in range(100)}
    assert "Dev: 50 rows held out (dev_share=0.2), 40 queries; the best checkpoint by them is kept." in data.notes
    assert answers(read(tmp_path / "rows.jsonl", dev_share=0.2)[1]) == found
    assert answers(read(tmp_path / "rows.jsonl", dev_share=0.2, seed=1)[1]) != found


def test_lists_of_positives_are_held_out_with_all_of_them(tmp_path: Path) -> None:
    rows = [{"query": f"q{n}", "pos": [f"p{n}", f"p{n}b"], "neg": [f"n{n}"]} for n in range(10)]
    data, dev = read(write(tmp_path, *rows), dev_share=0.1)
    (question,) = answers(dev)
    number = question[1:]
    assert answers(dev) == {question: [f"p{number}", f"p{number}b"]}
    assert (data.rows["anchor"].n_unique(), len(dev.corpus)) == (9, 30)


def test_passages_beyond_the_limit_are_left_out_by_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "PASSAGES", 12)
    _, dev = read(write(tmp_path, *(pair(n) for n in range(100))), dev_share=0.1)
    assert len(dev.corpus) == 12
    assert {text for texts in answers(dev).values() for text in texts} <= set(dev.corpus.values())


def test_of_a_few_rows_one_is_held_out(tmp_path: Path) -> None:
    data, dev = read(write(tmp_path, *(pair(n) for n in range(4))), dev_share=0.1)
    assert (data.rows.height, len(dev.queries), len(dev.corpus)) == (3, 1, 4)


def test_one_group_of_all_rows_cannot_be_divided(tmp_path: Path) -> None:
    path = write(tmp_path, *({"anchor": f"q{n}", "positive": "p"} for n in range(10)))
    with pytest.raises(InputError, match=r"0\.5 of the rows cannot be held out: too many share their anchors or positives"):
        read_training_data(path, TrainSettings(dev_share=0.5))


def test_rows_that_do_not_say_what_answers_have_no_dev_set(tmp_path: Path, make_dataset: Any) -> None:
    scored = {"sentence1": "a", "sentence2": "b", "score": 0.5}
    path = write(tmp_path, scored | {"split": "train"}, scored | {"split": "train", "score": 1}, scored | {"split": "dev"})
    with pytest.raises(SettingsError, match="rows of scored do not say which passages answer"):
        read_training_data(path, TrainSettings(dev_share=0.1))
    data = read_training_data(path, TrainSettings())
    assert (data.dev, data.rows.height) == (None, 2)
    assert "Rows of the split `dev` not used: 1." in data.notes
    assert read_training_data(write(tmp_path, pair(0), pair(1)), TrainSettings()).dev is None
    with pytest.raises(SettingsError, match="dev_share: a dataset folder has its own dev set"):
        read_training_data(make_dataset(), TrainSettings(dev_share=0.1))


def test_the_best_checkpoint_of_a_plain_file_is_kept(tiny_model: Path, tmp_path: Path) -> None:
    path = write(tmp_path, *({"anchor": f"w{n} asks", "positive": f"w{n} answers"} for n in range(40)))
    wishes = TrainSettings(dev_share=0.25, evaluate_every=1, max_steps=3, batch_size=8, device="cpu", learning_rate=1e-2)
    result = train_model(path, tmp_path / "out", str(tiny_model), wishes)
    scores = [entry["ndcg@10"] for entry in result.history if "ndcg@10" in entry]
    assert result.rows == 30 and result.base_dev is not None and result.best_dev is not None
    assert result.best_dev["ndcg@10"] == max(scores)
    assert train_model(path, tmp_path / "out", str(tiny_model), wishes).reused


def test_a_plain_file_can_be_swept(tiny_model: Path, tmp_path: Path) -> None:
    path = write(tmp_path, *({"anchor": f"w{n} asks", "positive": f"w{n} answers"} for n in range(40)))
    wishes = TrainSettings(sweep_epochs=(1, 2), sweep_learning_rates=(1e-2,), batch_size=16, device="cpu")
    seen: list[str] = []
    with pytest.raises(SettingsError, match=r"no dev queries to choose by(.|\n)*dev_share=0\.1"):
        train_sweep(path, tmp_path / "out", str(tiny_model), wishes, lambda step, *_: seen.append(step))
    # Before anything is trained.
    assert seen == [] and [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]
    best, sweep = train_sweep(path, tmp_path / "out", str(tiny_model), wishes.model_copy(update={"dev_share": 0.25}))
    assert [run.epochs for run in sweep.runs] == [1, 2]
    assert max(run.dev for run in sweep.runs) == best.best_dev["ndcg@10"] if best.best_dev else False


def test_the_command_says_what_was_held_out(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    pl.DataFrame({"query": [f"w{n} asks" for n in range(20)], "passage": [f"w{n} answers" for n in range(20)]}).write_csv(path)
    command = ["train", str(path), "--out", str(tmp_path / "out"), "--model", str(tiny_model), "--set", "max_steps=1"]
    result = CliRunner().invoke(main, [*command, "--set", "device=cpu", "--set", "dev_share=0.2"])
    assert result.exit_code == 0, result.output
    assert "- Dev: 4 rows held out (dev_share=0.2), 4 queries; the best checkpoint by them is kept." in result.stdout
    assert "dev ndcg@10: base" in result.stdout
