"""A small real corpus: the beginnings of topics of the Python language reference that the interpreter carries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from tests.train.conftest import make_dataset, tiny_model, toy  # noqa: F401 (fixtures)

ROOT = Path(__file__).resolve().parents[2]
TOPICS = 36
CHARACTERS = 1600


def write_corpus(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in sorted(topics.items())[:TOPICS]:
        (folder / f"{name}.txt").write_text(text[:CHARACTERS].rsplit("\n\n", 1)[0], encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 text files; nothing may write into it."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "docs")


def run_curate(*arguments: str | Path, cwd: Path, seed: str = "0", expect: int = 0) -> subprocess.CompletedProcess[str]:
    """The real command line in a process of its own, without network names or keys."""
    environment = {key: value for key, value in os.environ.items() if "KEY" not in key} | {
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "pipelines.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
