"""How many rows of a batch the memory holds: measured on two rows, scaled, and on a GPU tried before it is believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.models import free_memory, third_party

SHARE = 0.6
"""Of the free memory that a batch may take: the rest is for what is not kept for the backward pass, fragments and other programs."""

LARGEST = 256
"""Rows of a batch that `batch_size=auto` takes at most: larger ones are a decision about learning, not about memory."""

LEAST_STEPS = 20
"""Steps an epoch that `batch_size=auto` leaves at least."""

# Gradient and two moments of AdamW beside each weight.
_OPTIMIZER_COPIES = 3
_CGROUP = Path("/sys/fs/cgroup")

Step = Callable[[int, bool], None]
"""Runs forward, and where asked for backward, on a batch of so many of the longest rows."""


@dataclass(frozen=True)
class Fit:
    """What the memory holds."""

    rows: int
    """Rows of a batch."""
    row_bytes: int
    free_bytes: int


def rows_that_fit(model: Any, step: Step, wanted: int) -> Fit:
    """How many rows, `wanted` at most, a batch can have: a power of two below it. At least 1: what then fails has no smaller batch.

    `step` is called with 2 rows, and on a GPU with the size found, and with half of it for as long as that is too much.
    """
    free = free_bytes(model.device)
    kept = saved_bytes(model, lambda: step(2, False))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.parameters() if tensor.requires_grad)
    row = max(1, kept // 2)
    room = max(0, int(SHARE * free) - _OPTIMIZER_COPIES * weights)
    rows = _fitting(room // row, wanted)
    if str(model.device).startswith("cuda"):
        rows = _tried(step, rows)
    model.zero_grad(set_to_none=True)
    free_memory()
    return Fit(rows, row, free)


def automatic_size(fitting: int, rows: int) -> int:
    """`batch_size=auto`: what fits, at most `LARGEST`, and few enough for `LEAST_STEPS` steps an epoch; at least 8, or 2 where only that fits."""
    bound = min(fitting, LARGEST, max(8, rows // LEAST_STEPS))
    return max(2, int(2 ** int(math.log2(max(2, bound)))))


def saved_bytes(model: Any, run: Callable[[], None]) -> int:
    """Bytes of the tensors that `run` keeps for its backward pass, each storage once, without the model's own weights."""
    torch = third_party("torch")
    own = {weights.untyped_storage().data_ptr() for weights in model.parameters()}
    seen: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(seen.values())


def free_bytes(device: Any) -> int:
    """Memory that can be had now: of the GPU, or of the machine and the control group that this process is in."""
    torch = third_party("torch")
    if str(device).startswith("cuda"):
        free_memory()
        # What torch keeps in reserve is free for it.
        return int(torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    available = int(third_party("psutil").virtual_memory().available)
    return min(available, _group_bytes(_CGROUP))


def _group_bytes(folder: Path) -> int:
    """Memory left to a control group (version 2), or no bound."""
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return 2**63


def _fitting(bound: int, wanted: int) -> int:
    if bound >= wanted:
        return wanted
    return 2 ** int(math.log2(bound)) if bound >= 1 else 1


def _tried(step: Step, rows: int) -> int:
    error = third_party("torch").OutOfMemoryError
    while rows > 1:
        try:
            step(rows, True)
        except error:
            free_memory()
            rows = max(1, rows // 2)
        else:
            break
    return rows
