"""Seams every test may use: a store in a temporary folder, and the real-data folder where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "build") as opened:
        yield opened


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; the test skips without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real-data folder beside the checkout")
    return folder
