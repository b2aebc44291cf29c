"""The recipe `dolly` on small local data: what is trained on, cosines of right contexts, the two probes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.recipes.dolly import divide, read_pairs
from pipelines.recipes.order import Order
from schemas.errors import InputError
from tests.pipelines.recipe_data import passage, question, rated_rows, read_lines
from tests.train.conftest import write_jsonl

FAST = ("--max-steps", "3", "--device", "cpu", "--set", "learning_rate=0.01")
SKY, SEA = "What color is the Sky?", "What color is the sea?"


def recipe(*arguments: str | Path, expect: int = 0) -> str:
    done = CliRunner().invoke(main, ["recipe", *map(str, arguments)])
    assert done.exit_code == expect, done.output
    return done.stdout if expect == 0 else done.output


def dolly_rows(count: int) -> list[dict[str, str]]:
    """Closed questions, with as many open ones between them, which have no context."""
    rows = []
    for number in range(count):
        closed = {"instruction": question(number), "context": passage(number), "category": "closed_qa"}
        rows += [closed, {"instruction": question(number), "context": "", "category": "open_qa"}]
    return rows


@pytest.fixture(scope="module")
def ran(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("dolly")
    source = write_jsonl(folder / "dolly.jsonl", dolly_rows(100))
    rated = write_jsonl(folder / "stsb.jsonl", rated_rows())
    words = ("dolly", "--source", source, "--out", folder / "out", "--model", tiny_model, "--general", rated, *FAST, "--json")
    return folder / "out", json.loads(recipe(*words))


def test_cosines_stand_beside_the_published_ones(ran: Any, tiny_model: Path) -> None:
    """Measured anew with the library's own encoding, of the 30 questions whose contexts were not trained on."""
    from sentence_transformers import SentenceTransformer

    out, found = ran
    seen = {row["positive"] for row in read_lines(out / "data" / "pairs.jsonl")}
    test = [number for number in range(100) if passage(number) not in seen]
    assert (len(seen), len(test)) == (70, 30)
    here = {figure["what"]: (figure["published"], figure["here"]) for figure in found["figures"]}
    published = {"before": (0.62, 0.608, 0.704), "after": (0.694, 0.692, 0.634)}
    for when, place in (("before", tiny_model), ("after", out / "models" / "tuned")):
        model = SentenceTransformer(str(place), device="cpu")

        def cosines(first: list[str], second: list[str], model: Any = model) -> Any:
            return np.sum(
                model.encode(first, normalize_embeddings=True) * model.encode(second, normalize_embeddings=True), axis=1
            )

        right = cosines([question(number) for number in test], [passage(number) for number in test]).mean()
        sky, sea = cosines([SKY, SEA], ["The sky is blue"] * 2)
        rows = [here[f"mean cosine of question and right context, {when}"]]
        rows += [here[f'"{asked}" and "The sky is blue" ({kind}), {when}'] for asked, kind in ((SKY, "right"), (SEA, "wrong"))]
        assert tuple(row[0] for row in rows) == published[when]
        assert [row[1] for row in rows] == pytest.approx([right, sky, sea], abs=1e-5)


def test_it_is_trained_as_the_source_did_and_judged_by_the_ranking(ran: Any) -> None:
    out, found = ran
    settings = json.loads((out / "models" / "tuned" / "training.json").read_text())["settings"]
    assert (settings["epochs"], settings["loss"]) == (10, "MultipleNegativesRankingLoss")
    evaluation = found["details"]["evaluation"]
    assert (evaluation["queries"], evaluation["real_queries"], evaluation["passages"]) == (30, 30, 100)
    assert [system["name"] for system in evaluation["systems"]] == ["BM25", "base", "tuned", "hybrid"]
    assert found["headline"] == found["details"]["verdict"]["headline"]
    assert found["details"]["forgetting"]["pairs"] == 80
    assert not [text for text in found["details"]["verdict"]["missing"] if "forgetting" in text]


def test_only_closed_questions_with_a_context_and_each_once(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "dolly.jsonl", [*dolly_rows(3), *dolly_rows(2)])
    assert read_pairs(Order(tmp_path, source)) == [(question(number), passage(number)) for number in range(3)]
    other = write_jsonl(tmp_path / "open.jsonl", [row for row in dolly_rows(3) if row["category"] == "open_qa"])
    with pytest.raises(InputError, match="no row of the category closed_qa"):
        read_pairs(Order(tmp_path, other))


def test_no_context_and_no_question_is_on_both_sides() -> None:
    pairs = [(f"q{number % 15}", f"context {number // 2}") for number in range(40)]
    train, test = divide(pairs, 13)
    assert {context for _, context in train} & {context for _, context in test} == set()
    assert {asked for asked, _ in train} & {asked for asked, _ in test} == set()
    assert len({context for _, context in train}) == 14
    assert divide(pairs, 13) == (train, test)
    assert divide(pairs, 14) != (train, test)
    with pytest.raises(InputError, match="too few pairs to divide"):
        divide(pairs[:2], 13)


def test_a_mistyped_setting_or_file_comes_out_before_anything_is_read(tmp_path: Path) -> None:
    words = ("dolly", "--source", tmp_path / "nothing", "--out", tmp_path / "out")
    assert "epoch: " in recipe(*words, "--set", "epoch=3", expect=2)
    assert "mine.negative" in recipe(*words, "--set", "mine.negative=3", expect=2)
    assert "no such file" in recipe(*words, "--general", tmp_path / "rated.jsonl", expect=3)
    assert "download databricks/databricks-dolly-15k:train elsewhere and give --source FILE" in recipe(*words, expect=3)
    assert not (tmp_path / "out").exists()
