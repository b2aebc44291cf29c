"""`curate calibrate`: the files it writes, that nothing is measured twice, and that what it recommends can be built with."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.calibrate import KINDS
from curate.filter.combined import FEATURES
from curate.filter.gates import GATES
from curate.filter.labels import Label, append_labels
from curate.llm.scripted import ScriptedServer, scripted_judge
from curate.store import open_store
from pipelines.calibration import Options, calibrate_build, settings_file
from pipelines.calibration_text import WIDTH, calibration_lines
from pipelines.look import sql
from pipelines.runner import Build, run_build
from schemas.errors import InputError, SettingsError, StoreError
from schemas.manifest import file_sha256
from schemas.settings import FilterSettings, Settings, load_settings
from tests.pipelines.conftest import ROOT, folder_bytes, run_curate

Values = dict[str, Any]
FILES = ["calibration.json", "planted.parquet", "settings.toml"]
ASKED = ("--fit", "--target", "0.1", "--rows", "70")
MODEL = "dry run of made-up"
TIMED = ("seconds_per_row", "seconds_scoring")


def quiet(step: str, done: int, total: int | None) -> None:
    """No progress."""


def measured(folder: Path, *sets: str, config: Path | None = None, **options: Any) -> Values:
    return calibrate_build(folder, Options(**options), (config, sets), quiet)


@pytest.fixture(scope="module")
def made_up(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with made-up questions of a language model; tests copy it."""
    place = tmp_path_factory.mktemp("made-up")
    run_curate(
        "build", corpus, "--out", "out", "--dry-run-llm", "--set", "llm.generator.model=made-up", "--until", "filter", cwd=place
    )
    return place / "out-dry-run"


@pytest.fixture
def build(made_up: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_up, tmp_path / "build"))


@pytest.fixture(scope="module")
def done(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Values, str]:
    """A calibrated build, its figures, and what was printed."""
    folder = Path(shutil.copytree(made_up, tmp_path_factory.mktemp("done") / "build"))
    printed = run_curate("calibrate", folder, *ASKED, cwd=folder.parent)
    return folder, json.loads((folder / "calibration" / "calibration.json").read_text(encoding="utf-8")), printed.stdout


def test_three_files_are_written_and_the_build_is_as_it_was(done: tuple[Path, Values, str], made_up: Path) -> None:
    folder, values, _ = done
    place = folder / "calibration"
    assert sorted(path.name for path in place.iterdir()) == FILES
    assert values["files"] == {name: file_sha256(place / name) for name in FILES[1:]}
    before, after = folder_bytes(made_up), folder_bytes(folder)
    assert {name for name in after if after[name] != before.get(name)} == {f"calibration/{name}" for name in FILES}


def test_every_planted_row_can_be_read_with_its_verdict(done: tuple[Path, Values, str]) -> None:
    folder, values, _ = done
    rows = pl.read_parquet(folder / "calibration" / "planted.parquet")
    assert rows["planted_id"].n_unique() == rows.height
    counts = {kind: rows.filter(pl.col("kind") == kind).height for kind in KINDS}
    assert counts == {kind: known["planted"] for kind, known in values["kinds"].items()}
    for name in ("used", "recommended", "fitted"):
        assert (rows[f"reasons_{name}"].list.len() > 0).to_list() == rows[f"caught_{name}"].to_list()
        caught = {kind: rows.filter((pl.col("kind") == kind) & pl.col(f"caught_{name}")).height for kind in KINDS}
        assert caught == {kind: rate["count"] for kind, rate in values["combined"][name]["all"]["caught"].items()}
    known = {row["question_id"] for row in sql(folder, "SELECT question_id FROM pairs")}
    assert rows.height > 300
    assert len(set(rows["original_id"]) - known) < 3


def test_what_is_caught_is_what_can_be_caught(done: tuple[Path, Values, str]) -> None:
    caught = {kind: rate["rate"] for kind, rate in done[1]["combined"]["recommended"]["all"]["caught"].items()}
    assert caught["off_language"] == 1.0
    assert caught["changed_number"] == 1.0
    assert min(caught[kind] for kind in ("statement", "context_bound")) > 0.9
    used = done[1]["combined"]["used"]["all"]
    assert done[1]["combined"]["recommended"]["all"]["mean_caught"] > used["mean_caught"] + 0.2
    assert used["kills_of_sound"]["rate"] < 0.1
    fitted = done[1]["combined"]["fitted"]["all"]["caught"]
    assert fitted["wrong_passage_random"]["rate"] > 0.95


def test_thresholds_are_checked_on_the_other_half_of_the_documents(done: tuple[Path, Values, str]) -> None:
    known = done[1]["thresholds"]
    assert known["fitted"]["documents"] + known["held_out"]["documents"] == done[1]["rows"]["documents"]
    assert known["fitted"]["kills"]["of"] + known["held_out"]["kills"]["of"] == done[1]["rows"]["sound"]
    assert known["fitted"]["kills"]["rate"] <= 0.1
    low, high = known["fitted"]["kills"]["low"], known["fitted"]["kills"]["high"]
    assert known["held_out_within_interval"] is (low <= known["held_out"]["kills"]["rate"] <= high)


def test_the_settings_file_builds(done: tuple[Path, Values, str], corpus: Path, tmp_path: Path) -> None:
    folder, values, _ = done
    path = folder / "calibration" / "settings.toml"
    settings = load_settings(path)
    assert settings.llm.generator.model == MODEL
    assert settings.filter.decision == "fitted"
    assert settings.filter.combiner is not None
    assert settings.filter.combiner.weights == values["fitted"]["train"]["weights"]
    # Rules beside the fitted decision may differ from those recommended for thresholds: one may be weighed among the scores instead.
    for name, value in {**values["thresholds"]["settings"], **values["fitted"]["rules"]}.items():
        assert getattr(settings.filter, name) == value, name
    # As the build was made without a server, so is the next one: its questions are in the store.
    shutil.copytree(folder, tmp_path / "next")
    run_build(Build((str(corpus),), tmp_path / "next", settings, until="filter"))
    reasons = {row["reason"] for row in sql(tmp_path / "next", "SELECT DISTINCT reason FROM rejected WHERE stage = 'filter'")}
    assert "combined_score_low" in reasons


def test_what_is_printed_fits_a_terminal(done: tuple[Path, Values, str]) -> None:
    folder, values, printed = done
    lines = printed.splitlines()
    assert [line for line in lines if len(line) > WIDTH and str(folder) not in line] == []
    assert printed == "\n".join(calibration_lines({**values, "unchanged": False}, str(folder))) + "\n"
    for kind, known in values["kinds"].items():
        rate = values["combined"]["used"]["all"]["caught"][kind]
        (line,) = (line for line in lines if line.startswith(f"{kind} "))
        assert line.split()[1:3] == [f"{known['planted']:,}", f"{rate['rate']:.1%}"]


def test_the_same_is_not_measured_twice(done: tuple[Path, Values, str]) -> None:
    folder, values, printed = done
    before = folder_bytes(folder)
    again = run_curate("calibrate", folder, *ASKED, cwd=folder.parent)
    assert again.stdout.splitlines()[0] == "Nothing has changed since these figures were measured: nothing was computed again."
    assert again.stdout.endswith(printed)
    assert again.stderr == ""
    assert folder_bytes(folder) == before
    as_json = run_curate("calibrate", folder, *ASKED, "--json", cwd=folder.parent, seed="7")
    assert json.loads(as_json.stdout) == {**values, "unchanged": True}


def test_another_machine_gets_the_same_bytes(done: tuple[Path, Values, str], build: Path) -> None:
    folder, values, _ = done
    run_curate("calibrate", build, *ASKED, cwd=build.parent, seed="99")
    other = json.loads((build / "calibration" / "calibration.json").read_text(encoding="utf-8"))
    assert {k: v for k, v in other.items() if k not in TIMED} == {k: v for k, v in values.items() if k not in TIMED}
    for name in FILES[1:]:
        assert (build / "calibration" / name).read_bytes() == (folder / "calibration" / name).read_bytes()


@pytest.mark.parametrize("change", ["seed", "kinds", "target", "setting", "label", "file", "torn"])
def test_what_has_changed_is_measured_again(build: Path, change: str) -> None:
    few: Values = {"rows": 20, "kinds": ("statement", "negation")}
    assert measured(build, **few)["unchanged"] is False
    assert measured(build, **few)["unchanged"] is True
    place = build / "calibration"
    sets: list[str] = []
    if change == "seed":
        few["seed"] = 99
    elif change == "kinds":
        few["kinds"] = ("statement",)
    elif change == "target":
        few["target"] = 0.2
    elif change == "setting":
        sets = ["filter.names=true"]
    elif change == "label":
        (key,) = (row["question_id"] for row in sql(build, "SELECT question_id FROM questions WHERE origin = 'llm' LIMIT 1"))
        append_labels(build, [Label(key, "accept")])
    elif change == "file":
        (place / "settings.toml").write_text("")
    elif change == "torn":
        (place / "calibration.json").write_bytes((place / "calibration.json").read_bytes()[:500])
    assert measured(build, *sets, **few)["unchanged"] is False
    assert measured(build, *sets, **few)["unchanged"] is True


def test_settings_come_from_the_build_then_the_file_then_the_options(build: Path, tmp_path: Path) -> None:
    config = tmp_path / "more.toml"
    config.write_text("[filter]\nmin_question_words = 5\nnames = true\n", encoding="utf-8")
    few: Values = {"rows": 20, "kinds": ("statement",)}
    measured(build, "filter.names=false", "verify.rank_window=50", config=config, **few)
    found = tomllib.loads((build / "calibration" / "settings.toml").read_text(encoding="utf-8"))
    assert found["filter"]["min_question_words"] == 5
    assert found["verify"] == {"rank_window": 50}
    assert found["llm"]["generator"]["model"] == MODEL
    with pytest.raises(SettingsError, match=r"filter\.no_such: no such setting"):
        measured(build, "filter.no_such=1", **few)
    with pytest.raises(SettingsError, match="write it as key=value"):
        measured(build, "names", **few)


def test_labelled_rows_give_the_false_kill_rate(build: Path) -> None:
    keys = [row["question_id"] for row in sql(build, "SELECT question_id FROM pairs WHERE origin = 'llm' ORDER BY 1 LIMIT 41")]
    append_labels(build, [Label(key, "accept") for key in keys[:40]] + [Label(keys[40], "reject")])
    found = measured(build, kinds=("wrong_passage_random", "negation"))
    assert (found["rows"]["labelled_good"], found["rows"]["labelled_bad"]) == (40, 1)
    assert found["thresholds"]["false_kills_counted_on"] == "labelled_good"
    assert found["combined"]["used"]["all"]["false_kills_of_labelled_good"]["of"] == 40
    assert found["combined"]["used"]["all"]["caught_of_labelled_bad"]["of"] == 1
    planted = pl.read_parquet(build / "calibration" / "planted.parquet")
    assert keys[40] not in set(planted["original_id"])
    assert any(line.startswith("rows labelled good") for line in calibration_lines(found, "b"))


def test_without_a_language_model_other_questions_stand_in(corpus: Path, tmp_path: Path) -> None:
    run_build(Build((str(corpus),), tmp_path / "plain", Settings(), until="filter"))
    found = measured(tmp_path / "plain", rows=60)
    assert set(found["rows"]["origins"]) == {"extractive"}
    assert any(note.startswith("No question of a language model") for note in found["notes"])
    with pytest.raises(InputError, match="needs 30 train questions of a language model"):
        measured(tmp_path / "plain", rows=60, fit=True)
    assert tomllib.loads((tmp_path / "plain" / "calibration" / "settings.toml").read_text(encoding="utf-8"))["filter"]["decision"] == "thresholds"  # fmt: skip


def test_where_there_is_no_build_it_says_so(tmp_path: Path, corpus: Path, made_up: Path) -> None:
    assert "no build here" in run_curate("calibrate", tmp_path, cwd=tmp_path, expect=4).stderr
    run_build(Build((str(corpus),), tmp_path / "begun", Settings(), until="chunk"))
    with pytest.raises(StoreError, match="no questions in this build"):
        measured(tmp_path / "begun")
    shutil.copytree(made_up, tmp_path / "old")
    with open_store(tmp_path / "old") as store:
        store.execute("ALTER TABLE questions DROP COLUMN group_id")
    with pytest.raises(StoreError, match="questions was built by another version"):
        measured(tmp_path / "old")
    with pytest.raises(SettingsError, match="no kind of fault 'typos'"):
        Options(kinds=("typos",))


@pytest.fixture
def yes_sayer(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with ScriptedServer(scripted_judge("yes")) as running:
        yield running


def test_a_judge_that_always_says_yes_catches_nothing(build: Path, yes_sayer: ScriptedServer) -> None:
    sets = [f"llm.judge.base_url={yes_sayer.url}", "llm.judge.model=yes", "llm.judge.retries=0"]
    found = measured(build, *sets, judge=True, rows=12, kinds=("wrong_passage_random", "negation"))["judge"]
    assert found["answers"] == {"yes": found["asked"]}
    assert found["asked"] <= 260
    assert found["kills_of_sound"]["count"] == 0
    assert {rate["count"] for rate in found["caught_of_what_passes"].values()} == {0}
    with pytest.raises(SettingsError, match="no judge is set"):
        measured(build, judge=True)


def test_odd_names_survive_the_settings_file() -> None:
    settings = Settings.model_validate(
        {"llm": {"prices": {"gpt-4.1": {"prompt": 1.5}}}, "ingest": {"include": ["*.md", 'a"b\n']}}
    )
    text = settings_file(settings, {"names": True, "combiner": None, "min_bm25_margin": -0.5})
    assert tomllib.loads(text) == {
        "llm": {"prices": {"gpt-4.1": {"prompt": 1.5}}},
        "ingest": {"include": ["*.md", 'a"b\n']},
        "filter": {"names": True, "min_bm25_margin": -0.5},
    }


def test_the_manual_names_every_gate_with_its_setting_every_fault_and_every_score() -> None:
    text = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text))
    against_leaks = {"chunk_rejected", "chunk_in_split_gap", "chunk_copy_in_other_split"}
    assert {str(reason) for reason in GATES} - against_leaks <= named
    assert set(KINDS) <= named
    assert set(FEATURES) <= named
    tables = re.findall(r"^\| `[^|]+\| [^|]+\| ((?:`\w+`(?:, )?)+) \|", text, re.M)
    settings = {name for cell in tables for name in re.findall(r"`(\w+)`", cell)}
    assert len(settings) > 20
    assert settings <= set(FilterSettings.model_fields)
