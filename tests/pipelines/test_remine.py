"""`curate mine`: other negatives without the sources; what came before mining, and what a failed run leaves, stays to the byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from curate.store import open_store
from pipelines.cli import main
from pipelines.cli_mine import mine
from pipelines.earlier_build import settings_tree
from pipelines.flow import STAGE_NAMES, load_flow
from pipelines.ledger import read_ledger
from pipelines.look import sql
from pipelines.remine import Changes, as_set, remine, remine_lines
from pipelines.report import write_report
from pipelines.runner import Build, run_build
from schemas.errors import AuditError, SettingsError, StoreError
from schemas.settings import MineSettings, load_settings, toml_value
from tests.curate.tiny_gate_models import save_tiny_embedder
from tests.pipelines.conftest import ROOT, folder_bytes

AGAIN = ("mine", "validate", "export")
BEFORE = STAGE_NAMES[: STAGE_NAMES.index("mine")]
CHOSEN = "SELECT pair_id, list(text ORDER BY chosen) AS texts FROM negatives WHERE chosen IS NOT NULL GROUP BY pair_id"


def built(docs: Path, folder: Path, *sets: str, until: str | None = None) -> dict[str, list[str]]:
    """`curate build` in this process: why each stage ran."""
    settings = load_settings(None, sets)
    results = run_build(Build((str(docs),), folder, settings, until=until))
    write_report(folder, settings)
    return {result.name: list(result.reasons) for result in results}


@pytest.fixture(scope="session")
def with_one(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with one negative a pair, whose sources are gone; tests copy it."""
    home = tmp_path_factory.mktemp("with one")
    shutil.copytree(corpus, home / "docs")
    built(home / "docs", home / "curated", "llm.prices.some.prompt=1", "llm.prices.some.completion=2")
    shutil.rmtree(home / "docs")
    return home / "curated"


@pytest.fixture
def build(with_one: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(with_one, tmp_path / "curated"))


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_embedder(tmp_path_factory.mktemp("tuned"))


def mined(folder: Path, *sets: str, config: Path | None = None) -> dict[str, Any]:
    return remine(folder, Changes(config, sets))


def command(*arguments: str | Path, expect: int = 0) -> Result:
    """`curate mine` in this process."""
    done = CliRunner().invoke(main, ["mine", *map(str, arguments)])
    assert done.exit_code == expect, done.stderr
    return done


def chosen(folder: Path) -> dict[str, list[str]]:
    return {row["pair_id"]: row["texts"] for row in sql(folder, CHOSEN)}


def earlier(folder: Path) -> dict[str, Any]:
    """Contents and ledger of all that comes before mining."""
    with open_store(folder, read_only=True) as store:
        ledger = read_ledger(store)
        tables = [table for stage in load_flow() if stage.name in BEFORE for table in stage.writes]
        return {table: store.content_hash(table) for table in tables} | {name: ledger[name] for name in BEFORE}


def stands(folder: Path) -> tuple[Any, ...]:
    """What a failed run must leave."""
    rows = sql(folder, "SELECT * FROM negatives ORDER BY ALL")
    return earlier(folder), rows, folder_bytes(folder / "dataset"), (folder / "report.json").read_bytes()


def test_two_negatives_are_those_of_a_build_with_two(corpus: Path, build: Path, tmp_path: Path) -> None:
    before, pairs = earlier(build), chosen(build)
    report = mined(build, "mine.negatives=2")
    built(corpus, tmp_path / "two", "mine.negatives=2")
    assert folder_bytes(build / "dataset") == folder_bytes(tmp_path / "two" / "dataset")
    rows = "SELECT * FROM negatives ORDER BY ALL"
    assert sql(build, rows) == sql(tmp_path / "two", rows)
    assert earlier(build) == before
    triplets = pl.read_parquet(build / "dataset" / "triplets" / "train.parquet")
    assert triplets.columns == ["anchor", "positive", "negative_1", "negative_2"]
    assert {len(texts) for texts in pairs.values()} == {1}
    assert {len(texts) for texts in chosen(build).values()} == {2}
    assert report["mine"] == {"pairs": len(pairs), "changed": len(pairs)}
    assert report["keep"] == ["mine.negatives=2"]
    assert report == json.loads((build / "report.json").read_text(encoding="utf-8"))
    assert report["settings"]["mine"]["negatives"] == 2
    assert report["settings"]["llm"]["prices"]["some"]["prompt"] == 1


def test_only_pairs_with_other_negatives_count(build: Path) -> None:
    before = chosen(build)
    report = mined(build, "mine.first_rank=1", "mine.stemmer=english")
    after = chosen(build)
    changed = sum(before.get(pair) != after.get(pair) for pair in before | after)
    assert 0 < changed < len(before)
    assert report["mine"] == {"pairs": len(before), "changed": changed}
    assert (
        remine_lines(report)[0] == f"Negatives changed for {changed} of {len(before)} pairs; the others have the same as before."
    )


def unchanged(stderr: str) -> list[str]:
    return [line.removesuffix(": unchanged") for line in stderr.splitlines() if line.endswith(": unchanged")]


def test_again_and_a_build_with_the_printed_flags_find_all_unchanged(corpus: Path, build: Path) -> None:
    pairs = len(chosen(build))
    options = (build, "--negatives", "2", "--set", "mine.last_rank=20")
    first = command(*options)
    assert unchanged(first.stderr) == []
    assert [line.split(":")[0] for line in first.stderr.splitlines() if not line.startswith(" ")] == list(AGAIN)
    assert first.stdout.splitlines()[-2] == f"Negatives changed for {pairs} of {pairs} pairs."
    flags = "--set mine.negatives=2 --set mine.last_rank=20"
    assert first.stdout.splitlines()[-1] == (
        f"`curate build` as it was called before would mine as before; to keep these negatives, add: {flags}"
    )
    dataset = folder_bytes(build / "dataset")
    second = command(*options)
    assert unchanged(second.stderr) == list(AGAIN)
    assert second.stdout.splitlines()[-2] == f"Negatives changed for 0 of {pairs} pairs."
    assert second.stdout.splitlines()[-1].endswith(f"add: {flags}")
    assert built(corpus, build, *flags.split()[1::2]) == {name: [] for name in STAGE_NAMES}
    assert folder_bytes(build / "dataset") == dataset
    # Now the last build has these settings, so nothing is to be kept.
    as_json = json.loads(command(build, "--json").stdout)
    assert (as_json["mine"], as_json["keep"]) == ({"pairs": pairs, "changed": 0}, [])


def test_what_was_to_be_kept_is_said_again_after_a_further_round(build: Path) -> None:
    mined(build, "mine.negatives=2", "export.name=my birds")
    assert mined(build, "mine.last_rank=20")["keep"] == ["mine.negatives=2", "mine.last_rank=20", "export.name=my birds"]
    report = mined(build, "mine.negatives=1")
    assert report["keep"] == ["mine.negatives=1", "mine.last_rank=20", "export.name=my birds"]
    assert remine_lines(report)[1].endswith("--set mine.last_rank=20 --set 'export.name=my birds'")


EARLIER = [
    ("seed=14", "seed (stage split)"),
    ("chunk.max_tokens=300", "chunk.max_tokens (stage chunk)"),
    ("deduplicate.shingle=4", "deduplicate.shingle (stage deduplicate)"),
    ("verify.rank_window=50", "verify.rank_window (stage verify)"),
    ("filter.min_question_words=5", "filter.min_question_words (stage filter)"),
    ("llm.generator.model=other", "llm.generator.model (stage generate)"),
    ("llm.judge.model=other", "llm.judge.model (stage verify)"),
]


def test_settings_of_earlier_stages_are_refused_by_name(build: Path, tmp_path: Path) -> None:
    before = stands(build)
    for one, named in EARLIER:
        with pytest.raises(SettingsError) as caught:
            mined(build, one, "mine.negatives=2")
        assert caught.value.what.split(":")[0] == named
        assert "`curate build`" in caught.value.next_step
    config = tmp_path / "c.toml"
    config.write_text("[filter]\nmin_question_words = 5\n[export]\nname = 'x'\n[split]\nmin_clusters = 20\n", encoding="utf-8")
    done = command(build, "--config", config, expect=2)
    assert "split.min_clusters (stage split), filter.min_question_words (stage filter)" in done.stderr
    assert stands(build) == before


def test_settings_of_earlier_stages_may_be_said_as_they_are(build: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("seed = 13\n[chunk]\nmax_tokens = 256\n[verify]\ndevice = 'cpu'\n[mine]\nnegatives = 3\n", encoding="utf-8")
    report = mined(build, "filter.min_question_words=3", "mine.negatives=2", config=config)
    assert report["keep"] == ["mine.negatives=2"]
    assert {len(texts) for texts in chosen(build).values()} == {2}


def test_where_there_is_no_build_up_to_filter_it_says_so(corpus: Path, build: Path, tmp_path: Path) -> None:
    assert "no build here" in command(tmp_path / "nowhere", expect=4).stderr
    assert not (tmp_path / "nowhere").exists()
    built(corpus, tmp_path / "begun", until="split")
    with pytest.raises(StoreError, match="stage chunk was never run here") as caught:
        mined(tmp_path / "begun")
    assert caught.value.where == str(tmp_path / "begun")
    assert "--until filter" in caught.value.next_step
    built(corpus, build, "chunk.max_tokens=100", until="chunk")
    with pytest.raises(StoreError, match="stage generate is older than what it reads: its tables changed since"):
        mined(build)


def test_a_setting_that_changed_halfway_is_named(corpus: Path, build: Path) -> None:
    reasons = built(corpus, build, "deduplicate.shingle=4", until="deduplicate")
    assert reasons["deduplicate"] == ["deduplicate.shingle 5 → 4"]
    with pytest.raises(StoreError, match=r"stage chunk is older than what it reads: deduplicate\.shingle changed since"):
        mined(build)


def test_tables_of_another_version_are_named(build: Path) -> None:
    with open_store(build) as store:
        store.execute("ALTER TABLE negatives DROP COLUMN text")
    assert mined(build, "mine.negatives=2")["mine"]["changed"] == len(chosen(build))
    with open_store(build) as store:
        store.execute("ALTER TABLE pairs DROP COLUMN style")
    with pytest.raises(StoreError, match="pairs was built by another version of curate"):
        mined(build)


def test_settings_of_another_version_are_named(build: Path) -> None:
    with open_store(build) as store:
        store.execute("UPDATE ledger SET entry_json = replace(entry_json, 'chunk.max_tokens', 'chunk.most_tokens')")
    with pytest.raises(StoreError, match=r"does not know: chunk\.most_tokens: no such setting"):
        mined(build)


def test_stages_that_never_ran_have_the_settings_of_the_last_command(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "curated"
    built(corpus, folder, "mine.negatives=3", until="filter")
    report = mined(folder)
    assert {len(texts) for texts in chosen(folder).values()} == {3}
    assert report["mine"] == {"pairs": len(chosen(folder)), "changed": len(chosen(folder))}
    assert report["keep"] == []


def test_of_two_stages_the_first_says_what_a_setting_is(build: Path) -> None:
    with open_store(build) as store:
        store.execute(
            "UPDATE ledger SET entry_json = replace(entry_json, '\"mine.negatives\": 1', '\"mine.negatives\": 7') WHERE stage = 'export'"
        )
        tree = settings_tree(read_ledger(store))
    assert tree["mine"]["negatives"] == 1
    assert tree["mine"]["teacher"] is None


def test_a_tuned_model_chooses_the_next_round(corpus: Path, build: Path, tuned: Path) -> None:
    before, plain = earlier(build), folder_bytes(build / "dataset")
    report = mined(build, f"mine.teacher={tuned}", "mine.engine=hybrid", f"mine.model={tuned}", "verify.device=cpu")
    assert report["keep"] == ["mine.engine=hybrid", f"mine.model={tuned}", f"mine.teacher={tuned}"]
    rows = sql(build, "SELECT origin, teacher_score FROM negatives WHERE chosen IS NOT NULL")
    assert {row["origin"] for row in rows} >= {"hybrid"}
    assert not [row for row in rows if row["teacher_score"] is None]
    assert earlier(build) == before
    assert built(corpus, build, *report["keep"]) == {name: [] for name in STAGE_NAMES}
    back = mined(build, "mine.engine=bm25s", "mine.model=", "mine.teacher=")
    assert folder_bytes(build / "dataset") == plain
    assert back["keep"] == ["mine.engine=bm25s", "mine.model=", "mine.teacher="]


@pytest.mark.parametrize("fault", ["no folder", "no model in it", "no library"])
def test_a_teacher_that_cannot_be_loaded_changes_nothing(
    build: Path, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stands(build)
    (tmp_path / "empty").mkdir()
    place = tmp_path / ("nowhere" if fault == "no folder" else "empty")
    if fault == "no library":
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SettingsError) as caught:
        mined(build, f"mine.teacher={place}", "mine.negatives=2")
    assert caught.value.where == "mine.teacher"
    said = {
        "no folder": ("no model folder at", "hub id"),
        "no model in it": ("no usable model in", "*.safetensors"),
        "no library": ("not installed: sentence_transformers", 'pip install "curate-embeddings[train]", or unset mine.teacher'),
    }[fault]
    assert said[0] in caught.value.what
    assert said[1] in caught.value.next_step
    assert stands(build) == before


def stopped(folder: Path, where: str, number: signal.Signals, *options: str) -> subprocess.CompletedProcess[str]:
    """`curate mine`, hit by a signal when it calls a function, "package.module.name"."""
    module, _, name = where.rpartition(".")
    code = (
        f"import os, sys, {module} as place\n"
        f"place.{name} = lambda *_: os.kill(os.getpid(), {int(number)})\n"
        "from pipelines.cli import main\n"
        "main(['mine', *sys.argv[1:]])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command: Sequence[str] = (sys.executable, "-c", code, str(folder), *options)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_ctrl_c_while_it_mines_leaves_everything_as_it_was(build: Path) -> None:
    before = stands(build)
    done = stopped(build, "pipelines.runner.write_entry", signal.SIGINT, "--negatives", "2")
    assert done.returncode == 130, done.stderr
    assert "run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert stands(build) == before


def test_a_kill_while_it_exports_leaves_the_old_dataset_and_the_same_command_goes_on(build: Path) -> None:
    before = folder_bytes(build / "dataset")
    assert stopped(build, "curate.export.write_manifest", signal.SIGKILL, "--negatives", "2").returncode == -signal.SIGKILL
    assert folder_bytes(build / "dataset") == before
    report = mined(build, "mine.negatives=2")
    assert report["mine"]["changed"] == 0
    assert report["keep"] == ["mine.negatives=2"]
    assert pl.read_parquet(build / "dataset" / "triplets" / "train.parquet").columns[-1] == "negative_2"


def test_no_dataset_when_a_claim_does_not_hold(build: Path) -> None:
    dataset = folder_bytes(build / "dataset")
    with open_store(build) as store:
        store.execute("UPDATE pairs SET anchor = 'where do herons nest' WHERE split IN ('train', 'test')")
    with pytest.raises(AuditError, match="no_anchor_in_two_splits"):
        mined(build, "mine.negatives=2")
    assert folder_bytes(build / "dataset") == dataset
    report = json.loads((build / "report.json").read_text(encoding="utf-8"))
    assert [row["claim"] for row in report["audits"] if row["broken"]] != []
    assert report["keep"] == ["mine.negatives=2"]
    # The negatives are mined and the audit has failed: said again, and written only when it is asked for.
    with pytest.raises(AuditError, match="no_anchor_in_two_splits"):
        mined(build)
    assert mined(build, "validate.fail=false")["keep"] == ["mine.negatives=2", "validate.fail=false"]
    assert folder_bytes(build / "dataset") != dataset


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=8) | st.integers() | st.booleans() | st.floats(0.001, 1000))
def test_what_is_printed_is_read_as_it_was(value: str | int | float) -> None:
    key, _, text = as_set("mine.teacher", value).partition("=")
    assert (key, toml_value(text.strip())) == ("mine.teacher", value)


def test_what_is_unset_is_printed_so_that_it_stays_unset() -> None:
    assert load_settings(None, ["mine.teacher=x", as_set("mine.teacher", None)]).mine.teacher is None


def test_engines_of_the_option_are_those_of_the_setting() -> None:
    option = next(parameter for parameter in mine.params if parameter.name == "engine")
    assert list(option.type.choices) == list(get_args(MineSettings.model_fields["engine"].annotation))
