"""The commands of docs/labels.md, run in their order on a small real corpus, and what the labels do to the build."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from curate.agreement import wilson
from curate.filter.labels import read_labels
from pipelines.cli import main
from pipelines.flow import STAGE_NAMES
from pipelines.labelling.sheet import COLUMNS
from pipelines.look import rejects, show, why
from tests.pipelines.conftest import ROOT
from tests.pipelines.test_reference import commands_in

PAGE = (ROOT / "docs" / "labels.md").read_text(encoding="utf-8")


def test_every_command_of_the_page_runs(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(corpus, tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    commands = [words[1:] for words in commands_in(PAGE)]
    assert [words[0] for words in commands] == ["build", "label", "label", "label", "label", "build", "rejects"]
    ran = {}
    for n, words in enumerate(commands):
        done = CliRunner().invoke(main, words, input="r no question of mine\na\nb\ns\nq\n" if words[0] == "label" else None)
        assert done.exit_code == 0, (words, done.output)
        ran[n] = done
    labels = {key: (label.label, label.note) for key, label in read_labels(tmp_path / "curated").items()}
    rejected = [key for key, (mark, _) in labels.items() if mark == "reject"]
    assert len(rejected) == 1
    _only_filter_and_what_follows_ran(ran[5].stderr)
    _rejected_by_label(tmp_path / "curated", rejected[0])
    assert rejected[0] in ran[6].output


def _only_filter_and_what_follows_ran(progress: str) -> None:
    lines = progress.splitlines()
    before, after = STAGE_NAMES[: STAGE_NAMES.index("filter")], STAGE_NAMES[STAGE_NAMES.index("filter") :]
    assert [line for line in lines if line.endswith(": unchanged")] == [f"{name}: unchanged" for name in before]
    assert "filter: labels.jsonl changed" in lines
    assert not [name for name in after if f"{name}: unchanged" in lines]


def _rejected_by_label(folder: Path, key: str) -> None:
    assert [(row["row_key"], row["detail"]) for row in rejects(folder, reason="label_rejected")] == [(key, "no question of mine")]
    assert key not in {row["question_id"] for row in show(folder, "pairs", 10_000)}
    story = [row for row in why(folder, key) if row["table"] == "labels.jsonl"]
    assert [(row["label"], row["note"]) for row in story] == [("reject", "no question of mine")]


def test_the_page_says_what_the_program_does() -> None:
    assert f"`{', '.join(COLUMNS)}`" in PAGE
    options = {option for parameter in main.commands["label"].params for option in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= options
    assert (round(wilson(1, 25)[0], 2), round(wilson(1, 100)[0], 2)) == (0.87, 0.96)
