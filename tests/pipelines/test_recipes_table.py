"""The table of a recipe for people, as a page and for machines; and that every recipe is one module, on the command line and in the manual."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from pipelines.cli_recipe import RECIPES
from pipelines.recipes.order import Order
from pipelines.recipes.run import TAKES
from pipelines.recipes.source import Part, read_part, some, texts
from pipelines.recipes.table import Figure, Outcome, outcome_lines, write_outcome
from schemas.errors import InputError, SettingsError
from tests.train.conftest import write_jsonl

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = Outcome(
    "small",
    "NOT PROVEN",
    (Figure("Spearman, a|b", 0.45, 0.4567), Figure("loss", "0.3 → 0.1", None), Figure("rows", None, 12)),
    ("A note with a\x1b[31m colour.",),
    ("row `one`",),
    {"all": [1.5]},
)
PART = Part("small", "hf://owner/small:train", "question, answer", first=True)


def test_lines_for_people() -> None:
    assert outcome_lines(OUTCOME) == [
        "NOT PROVEN",
        "",
        "               published  this run",
        "Spearman, a|b      0.450     0.457",
        "loss           0.3 → 0.1         –",
        "rows                   –        12",
        "",
        "- A note with a [31m colour.",
        "",
        "row `one`",
    ]


def test_the_page_and_the_file_for_machines(tmp_path: Path) -> None:
    write_outcome(OUTCOME, tmp_path / "out")
    page = (tmp_path / "out" / "recipe.md").read_text().splitlines()
    assert page[:7] == [
        "# Recipe small",
        "",
        "NOT PROVEN",
        "",
        "| | published | this run |",
        "|---|---|---|",
        "| Spearman, a\\|b | 0.450 | 0.457 |",
    ]
    assert page[-6:] == ["", "- A note with a \\[31m colour.", "", "```text", "row 'one'", "```"]
    saved = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert (saved["figures"][0]["here"], saved["details"]) == (0.4567, {"all": [1.5]})


def test_each_recipe_is_a_module_a_word_of_the_command_and_a_row_of_the_manual() -> None:
    manual = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert tuple(TAKES) == RECIPES
    for name in RECIPES:
        assert callable(import_module(f"pipelines.recipes.{name}").run)
        assert f"| `{name}` |" in manual


def test_settings_of_the_user_stand_over_those_of_the_recipe() -> None:
    order = Order(Path("out"), max_steps=7, seed=5, sets=("batch_size=4", "mine.negatives=3", "seed=6"))
    found = order.train_settings({"batch_size": 16, "epochs": 2})
    assert (found.batch_size, found.epochs, found.max_steps, found.seed) == (4, 2, 7, 6)
    built = order.build_settings({"mine": {"negatives": 1}})
    assert (built.mine.negatives, built.seed) == (3, 5)
    with pytest.raises(SettingsError, match="batch_size is what this recipe sets itself"):
        order.train_settings({}, fixed=("batch_size",))


def test_rows_are_limited_by_hash_and_stay_in_order() -> None:
    rows = [{"label": str(number // 50)} | {"id": number} for number in range(100)]
    found = some(rows, 20, 1)
    assert found == sorted(found, key=lambda row: row["id"])
    assert len(found) == 20
    assert {row["label"] for row in found} == {"0", "1"}
    assert some(rows, 20, 1) == found != some(rows, 20, 2)
    assert some(rows, None, 1) == rows


def test_the_first_split_that_is_there_and_of_it_the_first_rows(tmp_path: Path) -> None:
    rows = [{"split": split, "question": f"{split} {number}", "answer": "a"} for number in range(3) for split in ("test", "dev")]
    order = Order(tmp_path, write_jsonl(tmp_path / "rows.jsonl", rows))
    assert [row["question"] for row in read_part(order, PART, ("validation", "dev", "test"), 2)] == ["dev 0", "dev 1"]
    assert len(read_part(order, PART, ("train",))) == 6
    assert [row["question"] for row in read_part(order, PART, first=2)] == ["test 0", "dev 0"]


def test_rows_without_a_text_are_left_out_and_none_at_all_is_an_error() -> None:
    columns = (("question",), ("answer", "context"))
    rows = [{"Question": "q", "context": "c"}, {"Question": " ", "context": "c"}, {"Question": "r"}]
    assert texts(rows, columns, PART) == [("q", "c")]
    with pytest.raises(InputError, match="every row has a blank text"):
        texts(rows[1:2], columns, PART)
    with pytest.raises(InputError, match="no column answer or context among Question"):
        texts(rows[2:], columns, PART)


def test_a_folder_with_two_data_files_is_not_guessed_at(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write_jsonl(tmp_path / "small" / name, [{"question": "q", "answer": "a"}])
    with pytest.raises(InputError, match="2 data files in this folder, one is needed"):
        read_part(Order(tmp_path, tmp_path), PART)


def test_squads_own_json_is_read(tmp_path: Path) -> None:
    asked = [{"question": "q one", "is_impossible": False}, {"question": "q two", "is_impossible": True}]
    tree = {"data": [{"title": "T", "paragraphs": [{"context": "c", "qas": asked}]}]}
    (tmp_path / "squad.json").write_text(json.dumps(tree))
    assert read_part(Order(tmp_path, tmp_path / "squad.json"), PART) == [{"question": "q one", "context": "c", "title": "T"}]
