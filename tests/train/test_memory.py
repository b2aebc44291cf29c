"""What the memory holds: counted for tensors that are known, never more than there is, and never an end by exhaustion."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from train import memory
from train.memory import automatic_size, free_bytes, rows_that_fit, saved_bytes


def test_what_is_kept_for_the_backward_pass_is_counted_once_and_without_weights() -> None:
    import torch

    model = torch.nn.Linear(10, 20, bias=False)
    given = torch.ones(8, 10, requires_grad=True)

    def run() -> None:
        # Kept: the input of the layer (8 × 10) and the output of exp (8 × 20), in four bytes each.
        torch.exp(model(given)).sum()

    assert saved_bytes(model, run) == 4 * (8 * 10 + 8 * 20)


def fitting(
    monkeypatch: pytest.MonkeyPatch, free: int, wanted: int, device: str = "cpu", most: int = 10**9
) -> tuple[int, list[int]]:
    """Rows that fit where a row keeps 1,000 bytes, the weights take 4,000, and a step of more than `most` rows is too much."""
    import torch

    seen: list[int] = []

    def step(rows: int, backward: bool) -> None:
        if backward:
            seen.append(rows)
        if backward and rows > most:
            raise torch.OutOfMemoryError

    weights = torch.nn.Linear(100, 10, bias=False).weight
    model: Any = SimpleNamespace(device=device, parameters=lambda: [weights], zero_grad=lambda set_to_none: None)
    monkeypatch.setattr(memory, "free_bytes", lambda _: free)
    monkeypatch.setattr(memory, "saved_bytes", lambda _, run: (run(), 2000)[1])
    return rows_that_fit(model, step, wanted).rows, seen


@pytest.mark.parametrize(
    ("free", "wanted", "rows"),
    # 60% of what is free, less 12,000 bytes for gradients and moments.
    [(200_000, 64, 64), (100_000, 64, 32), (100_000, 48, 48), (99_000, 48, 32), (30_000, 64, 4), (20_000, 64, 1), (0, 64, 1)],
)
def test_rows_by_what_is_free(monkeypatch: pytest.MonkeyPatch, free: int, wanted: int, rows: int) -> None:
    assert fitting(monkeypatch, free, wanted) == (rows, [])


def test_on_a_gpu_what_was_counted_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fitting(monkeypatch, 10**9, 64, "cuda:0", most=20) == (16, [64, 32, 16])
    assert fitting(monkeypatch, 10**9, 64, "cuda:0") == (64, [64])
    assert fitting(monkeypatch, 10**9, 64, "cuda:0", most=0) == (1, [64, 32, 16, 8, 4, 2])


@pytest.mark.parametrize(
    ("fits", "rows", "size"),
    [(256, 100_000, 256), (100, 100_000, 64), (256, 1000, 32), (256, 40, 8), (4, 100_000, 4), (1, 100_000, 2)],
)
def test_the_automatic_batch(fits: int, rows: int, size: int) -> None:
    assert automatic_size(fits, rows) == size


def test_a_control_group_bounds_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    whole = free_bytes("cpu")
    assert whole > 50_000
    (tmp_path / "memory.max").write_text("60000\n")
    (tmp_path / "memory.current").write_text("10000\n")
    assert free_bytes("cpu") == 50_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes("cpu") > 50_000
