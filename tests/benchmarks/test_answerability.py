"""The benchmark of answerability: nothing is fitted to what it scores, and its numbers are right, on rows made on the spot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import unfitted_scores, verify_ares, verify_squad2
from benchmarks.answerability import benchmark, parser_of
from benchmarks.answerability_report import draws_by_group, measured
from benchmarks.answerability_systems import System
from benchmarks.fitted_checkers import checker_scores, cropped
from benchmarks.folds import Bench, fold_of, some
from benchmarks.judge_alone import judge_scores
from benchmarks.unfitted_scores import gate_columns
from curate.verify.sentence_match import SCORES
from train.labelled import Labelled

PASSAGE = "The dam of Orsk was built in 1934. It never failed. A mill in Uralsk burned down in 1951."


def rows(groups: int = 9, each: int = 4) -> list[Labelled]:
    return [Labelled(f"q {g} {n}", f"p {g} {n}", n % 2, f"g{g}") for g in range(groups) for n in range(each)]


def bench(found: list[Labelled], folds: int) -> Bench:
    options = parser_of("", folds=folds, rows=None).parse_args(["--data", ".", "--model", "m"])
    return Bench("toy", found, [""] * len(found), fold_of([row.group for row in found], folds), options, Path())


def test_folds_are_of_whole_groups_and_of_like_size() -> None:
    groups = ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + ["d"] * 4
    found = fold_of(groups, 2)
    assert [int((found == fold).sum()) for fold in (0, 1)] == [7, 7]
    assert all(len({int(f) for f, g in zip(found, groups, strict=True) if g == name}) == 1 for name in "abcd")


def test_no_checker_scores_a_group_that_it_was_fitted_to() -> None:
    found = rows()
    toy = bench(found, 3)
    seen: list[tuple[str, frozenset[str], frozenset[str]]] = []

    def fit(name: str, ours: Sequence[Labelled], wanted: Sequence[Labelled]) -> np.ndarray:
        seen.append((name, frozenset(row.group for row in ours), frozenset(row.group for row in wanted)))
        return np.full(len(wanted), 0.5 if name.endswith("0") else 0.75)

    trained, held = checker_scores(toy, fit)
    assert [name for name, _, _ in seen] == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]
    for fold, (one, other) in enumerate(zip(seen[::2], seen[1::2], strict=True)):
        outside = frozenset(row.group for row, home in zip(found, toy.folds, strict=True) if home == fold)
        assert not (one[1] | other[1]) & outside
        assert not one[1] & one[2]
        assert not other[1] & other[2]
        assert one[2] == other[1] | outside
        # Held-out rows have no out-of-fold score, training rows have exactly one.
        assert np.array_equal(np.isnan(trained[fold]), toy.folds == fold)
    assert held == pytest.approx(np.log(3) / 2)


def test_measures_by_hand() -> None:
    labels = np.array([1, 0, 1, 0])
    system = System(np.array([0.9, 0.8, 0.4, 0.1]), np.array([0.5, 0.9, 0.5, 0.5]))
    # Kept: the first alone; of the two answerable rows one is found.
    assert measured(system, labels) == pytest.approx({"roc_auc": 0.75, "average_precision": (1 + 2 / 3) / 2, "f1": 2 / 3})


def test_draws_take_whole_groups() -> None:
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    drawn = draws_by_group(groups, 50, 1)
    sizes = {"a": 2, "b": 1, "c": 3}
    for sample in drawn:
        counts = np.bincount(sample, minlength=6)
        assert sum(counts[groups == name][0] for name in sizes) == 3
        assert all(len(set(counts[groups == name])) == 1 for name in sizes)
    assert len({tuple(sorted(sample)) for sample in drawn}) > 5


def test_gates_are_those_of_the_product() -> None:
    found = [
        Labelled("When was the dam of Orsk built?", PASSAGE, 1, "g"),
        Labelled("When was the dam of Torun built in 1999?", PASSAGE, 0, "g"),
        Labelled("When was the dam of Orsk not built?", PASSAGE, 0, "g"),
    ]
    columns = gate_columns(found, ["", "", ""])
    assert columns["unsupported_names"].tolist() == [0, 1, 0]
    assert columns["unsupported_numbers"].tolist() == [0, 1, 0]
    assert columns["negation_differs"].tolist() == [0, 0, 1]
    assert gate_columns(found[1:2], ["Torun"])["unsupported_names"].tolist() == [0]


def test_cropped_passages_keep_their_best_sentences() -> None:
    row = Labelled("When did the mill of Orsk burn?", PASSAGE, 1, "g")
    assert [one.passage for one in cropped([row], 2)] == [
        "The dam of Orsk was built in 1934. A mill in Uralsk burned down in 1951."
    ]
    assert cropped([row], None) == [row]


def test_the_judge_is_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []
    answers = ['{"quote": "p", "answerable": true}', '{"answerable": false}', "I cannot say"]

    def ask(messages: Sequence[Mapping[str, str]]) -> str:
        asked.append(messages[-1]["content"])
        return answers[len(asked) - 1]

    kept = tmp_path / "new" / "judge.jsonl"
    assert judge_scores(rows(1, 3), ask, "m", kept).tolist() == [1.0, 0.0, 0.5]
    assert ("q 0 1" in asked[1], "p 0 1" in asked[1]) == (True, True)
    with kept.open("a") as handle:
        handle.write('{"key": "cut sh')
    assert judge_scores(rows(1, 3), ask, "m", kept).tolist() == [1.0, 0.0, 0.5]
    assert len(asked) == 3


def test_readers(tmp_path: Path) -> None:
    (tmp_path / "squad").mkdir()
    (tmp_path / "ares_synthetic").mkdir()
    pl.DataFrame({"para_id": ["p1"], "title": ["T"], "context": ["C."]}).write_parquet(tmp_path / "squad/v2_paragraphs.parquet")
    questions = pl.DataFrame(
        {"id": ["2", "1"], "para_id": ["p1", "p1"], "question": ["b?", "a?"], "is_impossible": [True, False]}
    )
    questions.write_parquet(tmp_path / "squad/v2_questions.parquet")
    assert verify_squad2.read_squad2(tmp_path) == [Labelled("a?", "C.", 1, "T"), Labelled("b?", "C.", 0, "T")]
    queries = {
        "synthetic_query": ["a?", "a?", "b?", "c?", "c?"],
        "document": ["D", "D", "D", "E", "E"],
        "Context_Relevance_Label": ["Yes", "Yes", "No", "Yes", "No"],
    }
    pl.DataFrame(queries).write_parquet(tmp_path / "ares_synthetic/ares_synthetic_queries.parquet")
    # c? has both labels.
    assert verify_ares.read_ares(tmp_path) == [Labelled("a?", "D", 1, "D"), Labelled("b?", "D", 0, "D")]
    assert some(rows(), 5) == some(rows(), 5)
    assert len(some(rows(), 5)) == 5


def test_the_whole_run_without_checkers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def scores(bench: Bench) -> np.ndarray:
        right = [float(row.question.endswith(("1", "3"))) for row in bench.rows]
        return np.array([[value] * len(SCORES) for value in right])

    monkeypatch.setattr(unfitted_scores, "sentence_scores", scores)
    options = parser_of("", folds=3, rows=None).parse_args(["--data", ".", "--model", "m", "--no-checker", "--draws", "100"])
    benchmark("toy", rows(), [""] * 36, options)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["rows"], report["answerable"], report["groups"], report["best_baseline"]) == (36, 18, 9, "cosine")
    assert report["systems"]["cosine"] == {"roc_auc": 1.0, "average_precision": 1.0, "f1": 1.0, "low": 1.0, "high": 1.0}
    assert report["systems"]["keep all"]["roc_auc"] == 0.5
    assert report["gains"]["gates"]["mean"] < 0 == report["gains"]["gates + sentence checker"]["mean"]
