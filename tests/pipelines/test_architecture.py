"""The tree is the architecture: import directions, one word per stage, no heavy import at start-up."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.flow import STAGE_NAMES, load_flow
from schemas.settings import Settings
from schemas.tables import KEYS, TABLES

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "schemas": {"schemas"},
    "curate": {"curate", "schemas"},
    "train": {"train", "schemas"},
    "pipelines": {"curate", "train", "schemas", "pipelines"},
}
PACKAGES = set(ALLOWED)


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_go_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        ours = {name.split(".")[0] for name in imports_of(path)} & PACKAGES
        assert ours <= ALLOWED[package], path


def test_duckdb_is_opened_by_the_store_alone() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "duckdb" in {name.split(".")[0] for name in imports_of(path)}
    }
    assert users <= {"curate/store.py", "pipelines/look.py"}


def test_one_word_everywhere() -> None:
    for stage in load_flow():
        module = ROOT / "curate" / f"{stage.name}.py"
        assert module.is_file() or (ROOT / "curate" / stage.name / "__init__.py").is_file(), stage.name
        section = Settings().section(stage.name)
        assert type(section).__name__ == f"{stage.name.capitalize()}Settings"
        assert list((ROOT / "tests" / "curate").glob(f"test_{stage.name}*.py")), stage.name
        assert set(stage.writes) <= TABLES.keys()
        assert set(stage.writes) <= KEYS.keys()
    assert tuple(stage.name for stage in load_flow()) == STAGE_NAMES


def test_every_table_has_one_writer_and_is_written_before_it_is_read() -> None:
    written: list[str] = []
    for stage in load_flow():
        assert set(stage.reads) <= {*written, "rejected"}, stage.name
        written += stage.writes
    assert sorted(written) == sorted(KEYS)


def test_nothing_heavy_is_imported_by_the_flow() -> None:
    heavy = "torch|transformers|sentence_transformers|datasets|openai|docutils|trafilatura|bm25s|rensa"
    code = (
        "import sys; from pipelines.cli import main; from pipelines.flow import load_flow; load_flow(); "
        f"print([name for name in '{heavy}'.split('|') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_help_imports_no_library_but_click() -> None:
    code = (
        "import sys; from pipelines.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([n for n in ('duckdb', 'polars', 'pandera', 'pydantic', 'pyarrow', 'numpy') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"


def test_no_module_hides_behind_a_vague_name() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager"}
    assert not {path.stem for package in PACKAGES for path in (ROOT / package).rglob("*.py")} & vague
