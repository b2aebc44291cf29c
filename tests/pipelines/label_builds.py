"""Builds of a few questions to label, and the command `curate label` on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from curate.filter import STAGE
from curate.filter.labels import LABELS
from curate.stage import content_id
from curate.store import open_store
from pipelines.cli import main
from pipelines.engine import ProcessEngine
from pipelines.fingerprint import fingerprint
from pipelines.ledger import prepare
from pipelines.runner import Build, Session, Silent, run_stage
from schemas.settings import Settings
from schemas.tables import TABLES, frame
from tests.curate.conftest import Tables

TEXT = "Intro.\nThe heron waits in \x1b[31mshallow water\x1b[0m.\r\nIt eats fish of every size, day and night."
QUOTE = "waits in \x1b[31mshallow water"
KEPT = ("heron", "stork", "egret", "bittern", "crane", "ibis", "spoonbill", "flamingo")
BAD = ("gull", "tern", "skua", "auk")


def asked(tables: Tables, name: str, **other: Any) -> str:
    checks = other.pop("checks", {})
    key = tables.question(name, other.pop("text", f"Where does the {name} wait?"), other.pop("chunk", "birds"), **other)
    tables.checks(name, **checks)
    return key


def build_of(tables: Tables, folder: Path) -> Path:
    """A build folder whose stage filter has run over these tables."""
    with open_store(folder) as store:
        prepare(store)
        for table in (*STAGE.reads, "documents"):
            store.create(table)
            store.insert(table, frame(TABLES[table], tables.rows[table]))
    return filtered(folder)


def filtered(folder: Path) -> Path:
    """Run stage filter of a build folder."""
    settings = Settings()
    with open_store(folder) as store, ProcessEngine(1) as engine:
        session = Session(Build((), folder, settings), store, engine, Silent())
        run_stage(session, STAGE, fingerprint(STAGE, settings, {}, folder))
    return folder


def small_build(folder: Path) -> Path:
    """Of a language model 8 questions that the gates keep and 4 that they reject; more that nobody can draw, and one of another origin."""
    tables = Tables()
    tables.chunk("birds", TEXT)
    tables.chunk("gap", split="gap")
    tables.rows["chunks"][0]["heading_path"] = ["Waders", "Herons \x1b[2J"]
    for name in KEPT:
        asked(tables, name)
    for name in BAD:
        asked(tables, name, checks={"question_words": 1, "specific_words": 0})
    asked(tables, "in the gap", chunk="gap")
    asked(tables, "heron again", text="Where does the Heron wait?", origin="extractive")
    asked(tables, "extractive", text="What eats fish?", origin="extractive")
    return build_of(tables, folder)


def name_of(key: str) -> str:
    names = {content_id("question", name): name for name in (*KEPT, *BAD, "in the gap", "heron again", "extractive")}
    return names[key]


def label(folder: Path, *options: str, keys: str = "", expect: int = 0) -> Result:
    done = CliRunner().invoke(main, ["label", str(folder), *options], input=keys)
    assert done.exit_code == expect, done.output
    return done


def stored(folder: Path) -> list[tuple[str, str, str]]:
    """(question's name, label, note) of each line."""
    found = [json.loads(line) for line in (folder / LABELS).read_text(encoding="utf-8").splitlines()]
    return [(name_of(line["question_id"]), line["label"], line["note"]) for line in found]
