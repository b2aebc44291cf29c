"""Several processes of one run, as `torchrun` starts them: one of them writes, the others wait."""

from __future__ import annotations

import os
from typing import Any

from train.models import third_party


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def writes() -> bool:
    """Whether this process is the one that writes and prints."""
    return int(os.environ.get("RANK", "0")) == 0


def wait(device: str) -> None:
    """Go on when all processes are here; at once where there is one."""
    if count() > 1:
        _state(device).wait_for_everyone()


def _state(device: str) -> Any:
    return third_party("accelerate").PartialState(cpu=device == "cpu")
