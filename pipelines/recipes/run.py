"""One recipe by its name: options checked, the recipe run, its table written."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pipelines.recipes.order import Order
from pipelines.recipes.table import Outcome, write_outcome
from schemas.errors import SettingsError

TAKES: dict[str, frozenset[str]] = {
    "nli": frozenset({"tuned", "stsb", "banking77"}),
    "dolly": frozenset({"general"}),
    "squad": frozenset({"reranker", "general"}),
    "gooaq": frozenset({"reranker", "general"}),
    "domain": frozenset({"reranker", "general", "queries", "qrels"}),
}
"""Recipe → the options that not all recipes have; its name is that of its module."""

PARTS = ("stsb", "banking77")


def run_recipe(name: str, options: Mapping[str, Any]) -> Outcome:
    """Run one recipe with the options of `Order` (and data sets by name), and write `recipe.json` and `recipe.md` into its folder.

    Raises SettingsError for an option that the recipe has no use for, InputError when its data cannot be had.
    """
    special = frozenset().union(*TAKES.values())
    for option in sorted(special - TAKES[name]):
        if options.get(option) is not None:
            raise SettingsError(f"the recipe {name} has no use for it", where=f"--{option}", next_step=f"leave --{option} out")
    given = {key: value for key, value in options.items() if key not in PARTS}
    parts = {part: options[part] for part in PARTS if options.get(part) is not None}
    order = Order(**{**given, "parts": parts, "out": options.get("out") or Path(f"recipe-{name}")})
    # A mistyped setting must come out before data are read and models trained.
    order.build_settings({})
    order.train_settings({})
    outcome: Outcome = import_module(f"pipelines.recipes.{name}").run(order)
    write_outcome(outcome, order.out)
    return outcome
