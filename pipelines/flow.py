"""The flow: every stage in order. Stage modules are imported only when the flow is."""

from __future__ import annotations

from importlib import import_module

from curate.stage import Stage

STAGE_NAMES = ("ingest", "deduplicate", "split", "chunk", "generate", "verify", "filter", "mine", "validate", "export")


def load_flow() -> tuple[Stage, ...]:
    """All stages, each from `curate.<name>`."""
    return tuple(import_module(f"curate.{name}").STAGE for name in STAGE_NAMES)
