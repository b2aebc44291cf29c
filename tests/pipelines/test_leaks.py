"""The user's queries and the audits on the whole road: what is kept apart, and that no dataset is written when a claim does not hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from curate.store import Store, open_store
from pipelines.look import show, sql
from pipelines.runner import Build, run_build
from schemas.errors import AuditError, InputError
from schemas.settings import Settings, load_settings
from tests.pipelines.conftest import run_curate


@pytest.fixture(scope="session")
def clean(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A finished build; tests copy it."""
    build = Build((str(corpus),), tmp_path_factory.mktemp("clean") / "curated", load_settings(None, ["mine.negatives=2"]))
    run_build(build)
    return build


@pytest.fixture
def copied(clean: Build, tmp_path: Path) -> Build:
    shutil.copytree(clean.folder, tmp_path / "curated")
    return replace(clean, folder=tmp_path / "curated")


def anchors(folder: Path, split: str) -> list[str]:
    rows = sql(folder, f"SELECT anchor FROM pairs WHERE split = '{split}' ORDER BY length(anchor) DESC, anchor")
    return [row["anchor"] for row in rows]


def test_a_query_of_the_users_leaves_train_and_stands_nowhere(corpus: Path, clean: Build, tmp_path: Path) -> None:
    query = anchors(clean.folder, "train")[0]
    file = tmp_path / "real queries.txt"
    file.write_text(f"some other thing that nobody asks\n{query.upper()}\n", encoding="utf-8")
    command = ("build", corpus, "--decontaminate", file, "--set", "mine.negatives=2")
    done = run_curate(*command, cwd=tmp_path)
    folder = tmp_path / "curated"
    assert query not in anchors(folder, "train")
    rejected = sql(folder, "SELECT DISTINCT detail FROM rejected WHERE reason = 'anchor_in_benchmark' ORDER BY detail")
    assert {"detail": "exact: real queries.txt row 2"} in rejected
    assert "Kept apart from 2 queries and 0 passages of real queries.txt" in done.stderr
    written = [path.read_bytes() for path in (folder / "dataset").rglob("*") if path.suffix in (".jsonl", ".json", ".md", ".tsv")]
    assert not [text for text in written if b"nobody asks" in text or query.upper().encode() in text]
    assert json.loads((folder / "dataset/manifest.json").read_text())["settings"]["filter"]["decontaminate"] == [file.name]
    assert "filter: unchanged" in run_curate(*command, cwd=tmp_path).stderr
    file.write_text("some other thing that nobody asks\n")
    planned = json.loads(run_curate("plan", *command[1:], "--json", cwd=tmp_path).stdout)["stages"]
    assert {row["stage"]: row["reasons"] for row in planned}["filter"] == [f"filter.decontaminate {file} changed"]


def test_files_of_the_settings_and_of_the_command_line_count_together(tmp_path: Path) -> None:
    from pipelines.cli import _settings

    (tmp_path / "s.toml").write_text('[filter]\ndecontaminate = ["a.txt"]\n')
    options = {"config": tmp_path / "s.toml", "sets": (), "budget": None, "max_calls": None}
    found = _settings(**options, decontaminate=(Path("b.txt"), Path("a.txt")))
    assert found.filter.decontaminate == ("a.txt", "b.txt")
    assert _settings(**options | {"config": None}, decontaminate=()) == Settings()


def test_a_broken_file_is_named_before_any_stage_runs(clean: Build, tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"query": "who?"}\n{"query": \n')
    wanted = replace(clean, folder=tmp_path / "new", settings=load_settings(None, [f"filter.decontaminate=['{file}']"]))
    with pytest.raises(InputError, match=r"q\.jsonl, row 2: not JSON"):
        run_build(wanted)
    assert not wanted.folder.exists()


def run_all(store: Store, *statements: str) -> None:
    for statement in statements:
        store.execute(statement)


PAIR = "(SELECT min(pair_id) FROM negatives WHERE chosen = 1 AND chunk_id IS NOT NULL)"
"""A pair with a chosen negative."""
TRAIN = "(SELECT min(pair_id) FROM pairs WHERE split = 'train')"
HELD = "(SELECT min(pair_id) FROM pairs WHERE split <> 'train')"
LONG = "in which month of the year do grey herons of the northern marshes build"
OTHER = "(SELECT min(chunk_id) FROM chunks WHERE split <> (SELECT split FROM pairs WHERE pair_id = " + PAIR + "))"


def asked(pair: str, text: str) -> list[str]:
    chosen = f"question_id = (SELECT question_id FROM pairs WHERE pair_id = {pair})"
    return [
        f"UPDATE questions SET question = '{text}' WHERE {chosen}",
        f"UPDATE pairs SET anchor = '{text}' WHERE pair_id = {pair}",
    ]


PLANTED: dict[str, list[str]] = {
    "no_negative_from_other_split": [
        f"UPDATE negatives SET chunk_id = {OTHER} WHERE pair_id = {PAIR} AND chosen = 1",
    ],
    "no_promoted_text_is_a_negative": [
        "INSERT INTO negatives BY NAME SELECT * REPLACE (1000 AS candidate, 'promoted' AS state, 'negative_answers' AS reason, "
        f"NULL AS chosen) FROM negatives WHERE pair_id = {PAIR} AND chosen = 1",
    ],
    "no_negative_above_the_margin": [
        f"UPDATE negatives SET teacher_score = 0.79, positive_score = 0.8 WHERE pair_id = {PAIR} AND chosen = 1",
    ],
    "no_train_anchor_shares_words_with_dev_or_test": [*asked(TRAIN, f"first {LONG}"), *asked(HELD, f"{LONG} their nests")],
    "no_train_anchor_nearly_equals_dev_or_test": [
        *asked(TRAIN, "What are the main symptoms of Leigh syndrome?"),
        *asked(HELD, "What are the symptoms of Leigh syndrome?"),
    ],
    "no_anchor_in_two_splits": [*asked(TRAIN, "Where do herons nest?"), *asked(HELD, "where do herons  nest")],
}


@pytest.mark.parametrize("claim", sorted(PLANTED))
def test_no_dataset_when_a_claim_does_not_hold(copied: Build, claim: str) -> None:
    shutil.rmtree(copied.folder / "dataset")
    with open_store(copied.folder) as store:
        run_all(store, *PLANTED[claim])
    assert_refused(replace(copied, force=("validate",)), claim)


def assert_refused(build: Build, claim: str) -> None:
    with pytest.raises(AuditError) as caught:
        run_build(build)
    row = next(row for row in show(build.folder, "audit_results", limit=100) if row["claim"] == claim)
    assert caught.value.exit_code == 7
    assert f"{claim}: {row['broken']} row" in caught.value.what
    assert row["examples"][0] in caught.value.what
    assert f"`curate why {build.folder} " in caught.value.next_step
    assert not (build.folder / "dataset").exists()
    # An unchanged stage that failed is no pass.
    with pytest.raises(AuditError):
        run_build(replace(build, force=()))


@pytest.mark.parametrize(
    ("claim", "queries"),
    [
        ("no_train_anchor_in_a_benchmark", lambda pairs: pairs["anchor"][0]),
        ("no_train_passage_in_a_benchmark", lambda pairs: " ".join(pairs["positive"][0].split()[:30])),
    ],
)
def test_no_dataset_when_a_benchmark_is_trained_on(
    copied: Build, tmp_path: Path, claim: str, queries: Callable[[pl.DataFrame], str]
) -> None:
    pairs = pl.DataFrame(sql(copied.folder, "SELECT anchor, positive FROM pairs WHERE split = 'train' ORDER BY pair_id"))
    shutil.rmtree(copied.folder / "dataset")
    file = tmp_path / "q.txt"
    file.write_text(queries(pairs) + "\n", encoding="utf-8")
    wanted = replace(
        copied,
        settings=copied.settings.model_copy(update={"filter": load_settings(None, [f"filter.decontaminate=['{file}']"]).filter}),
    )
    before = sql(copied.folder, "SELECT * FROM pairs")
    run_build(replace(wanted, until="filter"))
    assert len(sql(copied.folder, "SELECT * FROM pairs")) < len(before)
    # As if filter had missed it: the rows from before it was told of the file.
    with open_store(copied.folder) as store:
        store.create("pairs")
        from schemas.tables import Pairs, frame

        store.insert("pairs", frame(Pairs, before))
    assert_refused(replace(wanted, force=("validate",)), claim)
