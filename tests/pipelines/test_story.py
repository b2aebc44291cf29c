"""`why` as a tree, `show` and `rejects` by an expression: exact lines of a small build."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.look import Part, rejects, show, sql, why
from pipelines.story import story
from schemas.errors import SettingsError
from tests.pipelines.conftest import run_curate
from tests.pipelines.test_build import built  # noqa: F401 (a fixture)


def lines(folder: Path, key: str) -> list[str]:
    return run_curate("why", folder, key, cwd=folder.parent).stdout.splitlines()


def test_a_pair_from_document_to_negatives(built: Path) -> None:  # noqa: F811
    row = sql(built, "SELECT p.*, c.position, c.tokens, d.source, d.title FROM pairs p JOIN chunks c USING (chunk_id) JOIN documents d USING (document_id) WHERE style = 'sentence' ORDER BY pair_id LIMIT 1")[0]  # fmt: skip
    found = lines(built, row["pair_id"])
    assert found[0].endswith(f"  {row['source']}  “{row['title']}”  text, en")
    assert re.match(r"├── in (train|dev|test)", found[1])
    assert found[2].startswith(f"└── chunk {row['chunk_id']}  number {row['position']}, {row['tokens']} tokens, {row['split']}  ")
    question = next(line for line in found if "── question " in line)
    assert question == f"    └── question {row['question_id']}  “{row['anchor']}”  sentence, extractive"
    gates = next(place for place, line in enumerate(found) if "gates: " in line)
    count = int(re.findall(r"gates: (\d+) of \1 passed", found[gates])[0])
    assert [line.split("── ")[1].split()[0] for line in found[gates + 1 : gates + 1 + count]] == ["passes"] * count
    assert found[gates + 1 + count] == f"        └── pair {row['pair_id']}  in train, in training only"
    negative = sql(built, f"SELECT * FROM negatives WHERE pair_id = '{row['pair_id']}' AND chosen = 1")[0]
    shown = next(line for line in found if "── negative 1: " in line)
    where = f"bm25 rank {negative['rank']}, score {negative['score']:.3g}" if negative["origin"] == "bm25" else "random"
    assert shown.split("── ")[1].startswith(f"negative 1: {where}  {' '.join(negative['text'].split())[:20]}"[:40])
    aside = sql(
        built, f"SELECT reason, count(*) AS n FROM negatives WHERE pair_id = '{row['pair_id']}' AND chosen IS NULL GROUP BY 1"
    )
    for one in aside:
        word = "candidate" if one["n"] == 1 else "candidates"
        assert any(line.split("── ")[-1].startswith(f"{one['n']} {word} set aside: {one['reason']} (") for line in found)


def test_a_rejected_question_tells_its_reason(built: Path) -> None:  # noqa: F811
    row = rejects(built, stage="filter")[0]
    found = lines(built, row["row_key"])
    detail = f": {row['detail']}" if row["detail"] else ""
    assert any(f"── {row['state']} by stage filter: {row['reason']}{detail} (" in line for line in found)
    assert not any("── pair " in line for line in found)


def test_what_belongs_to_no_document_stands_alone() -> None:
    row: dict[str, Any] = {
        "table": "rejected", "stage": "ingest", "row_key": "a.bin", "state": "rejected", "reason": "file_binary", "detail": "", "row_json": "{}",
    }  # fmt: skip
    (tree,) = story([row])
    assert str(tree.label) == "rejected  rejected by stage ingest: file_binary (the bytes are not text)"
    assert [str(child.label) for child in tree.children] == [
        "stage: ingest",
        "row_key: a.bin",
        "state: rejected",
        "reason: file_binary",
        "row_json: {}",
    ]


def test_no_row_is_left_out_of_the_tree(built: Path) -> None:  # noqa: F811
    source = sql(built, "SELECT source FROM documents ORDER BY 1 LIMIT 1")[0]["source"]
    rows = why(built, source)
    trees = story(rows)
    assert len(trees) == 1

    def nodes(tree: Any) -> int:
        return 1 + sum(nodes(child) for child in tree.children)

    text = "\n".join(run_curate("why", built, source, cwd=built.parent).stdout.splitlines())
    for table, key in (("chunks", "chunk_id"), ("questions", "question_id"), ("pairs", "pair_id")):
        for row in rows:
            if row["table"] == table:
                assert row[key] in text
    assert nodes(trees[0]) == len(text.splitlines())


def test_full_shows_every_field_uncut(built: Path) -> None:  # noqa: F811
    row = max(sql(built, "SELECT chunk_id, text FROM chunks"), key=lambda row: len(row["text"]))
    said = run_curate("why", built, row["chunk_id"], "--full", cwd=built.parent).stdout
    assert f"  text: {''.join(c if c.isprintable() else ' ' for c in row['text'])}" in said.splitlines()


def test_rows_by_an_expression_and_in_parts(built: Path) -> None:  # noqa: F811
    wanted = sql(built, "SELECT pair_id FROM pairs WHERE style = 'heading' OR split = 'test' ORDER BY pair_id")
    part = Part("style = 'heading' OR split = 'test' -- or not", 1)
    assert [row["pair_id"] for row in show(built, "pairs", 2, part)] == [row["pair_id"] for row in wanted[1:3]]
    every = rejects(built)
    assert rejects(built, limit=1, part=Part(offset=1)) == every[1:2]
    reason = every[0]["reason"]
    assert rejects(built, part=Part(f"reason = '{reason}'")) == [row for row in every if row["reason"] == reason]
    said = run_curate("show", built, "pairs", "--where", "style = 'heading'", "--limit", "1", cwd=built.parent).stdout
    assert len(said.splitlines()) == 2
    assert "\theading\t" in said
    said = run_curate("rejects", built, "--where", "false", cwd=built.parent).stdout
    assert said == "(no rows)\n"


@pytest.mark.parametrize(
    "expression",
    [
        "nope = 1",
        "1 = 1) UNION SELECT * FROM pairs --",
        "1 = 1); DROP TABLE pairs; SELECT (1",
        "SELECT 1; SELECT 2",
        "(",
        "",
        "count(*) > 1",
    ],
)
def test_what_is_no_expression(built: Path, expression: str) -> None:  # noqa: F811
    with pytest.raises(SettingsError, match=r"^--where: ") as caught:
        show(built, "pairs", 5, Part(expression))
    assert caught.value.next_step == "give one SQL expression over the columns, such as \"style = 'heading'\""
    with pytest.raises(SettingsError, match=r"^--where: "):
        rejects(built, part=Part(expression))
