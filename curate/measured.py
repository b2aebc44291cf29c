"""Where `curate calibrate` leaves its figures in a build folder, and what the report and the dataset card take of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "calibration"
FIGURES = "calibration.json"


def calibrated(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Gate → what the last `curate calibrate` measured with the settings of the build; empty without one."""
    try:
        found = json.loads((folder / FOLDER / FIGURES).read_text(encoding="utf-8"))["gates"]["used"]
        return {name: figures for name, figures in found.items() if isinstance(figures, dict)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def caught(figures: Mapping[str, Any] | None) -> tuple[float, int] | None:
    """Share of planted faults that a gate catches, mean of the kinds, and how many were planted."""
    if figures is None or not isinstance(figures.get("caught"), dict) or figures.get("mean_caught") is None:
        return None
    return figures["mean_caught"], sum(kind["of"] for kind in figures["caught"].values())


def killed(figures: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Sound questions that a gate rejects: rate, of, low, high."""
    known = figures.get("kills_of_sound") if figures else None
    return known if isinstance(known, dict) and known.get("rate") is not None else None
