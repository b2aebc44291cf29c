"""The quality of rows that somebody already has: what is wrong with which row, and what it collides with.

`audit` reads a dataset (`reading`, `columns`), takes it apart into distinct texts (`texts`), looks at it with every check, and divides its
rows into clean and flagged (`report`). A check is a function from the dataset to frames of findings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.audit.columns import choose_columns, parse_mapping
from curate.audit.findings import together
from curate.audit.form import malformed, too_short, verbatim
from curate.audit.labels import spread, unknown
from curate.audit.language import languages
from curate.audit.leaks import against_benchmarks, between_splits
from curate.audit.nearness import meanings, near_copies
from curate.audit.negatives import above_positives, copies_of_positives, hold_answers
from curate.audit.reading import read_dataset
from curate.audit.repeats import contradictions, duplicates
from curate.audit.report import Audited, Sources, audited
from curate.audit.scores import Embed, by_model
from curate.audit.shape import mis_shaped, shape
from curate.audit.texts import take_apart
from curate.stage import Engine
from schemas.errors import InputError

__all__ = ["Audited", "Wanted", "audit"]


@dataclass(frozen=True)
class Wanted:
    """What to audit, and against what."""

    path: Path
    columns: tuple[str, ...] = ()
    """ROLE=NAME."""
    benchmarks: tuple[str, ...] = ()
    model: str | None = None
    """Name of the model behind `embed`, for the report."""


def audit(wanted: Wanted, engine: Engine, *, embed: Embed | None = None, step: Callable[[str], None] = lambda _: None) -> Audited:
    """Audit a dataset. Raises InputError for what cannot be read, and SettingsError for a benchmark file that is not there."""
    mapping = parse_mapping(wanted.columns)
    step("reading")
    rows = read_dataset(wanted.path, dict(mapping).get("split"))
    columns = choose_columns(rows.frame, mapping, wanted.path.name)
    try:
        dataset = take_apart(rows, columns)
    except pl.exceptions.PolarsError as error:
        used = ", ".join(f"{name} ({rows.frame.schema[name]})" for name in columns.used.values())
        raise InputError(
            f"columns {used} cannot be read as text: {str(error).splitlines()[0]}",
            where=wanted.path.name,
            next_step="name the columns that hold texts with --column ROLE=NAME",
        ) from error
    step("shape and form")
    found = shape(dataset)
    damaged = pl.concat(found)
    found += [*too_short(dataset, damaged), *verbatim(dataset), *unknown(dataset)]
    found += malformed(dataset, engine)
    step("near copies")
    copies = near_copies(dataset, engine)
    meant = meanings(dataset, engine)
    repeated = duplicates(dataset, copies, meant, engine)
    found += [*repeated, *contradictions(dataset, copies, pl.concat(repeated))]
    step("negatives")
    same = copies_of_positives(dataset, copies)
    found += [*same, *hold_answers(dataset, pl.concat(same)), *above_positives(dataset, engine)]
    step("leaks")
    found += [*between_splits(dataset, copies, meant), *against_benchmarks(dataset, wanted.benchmarks)]
    step("languages")
    foreign, about = languages(dataset, engine)
    found += [some.join(damaged, on="row", how="anti", maintain_order="left") for some in foreign]
    if embed is not None:
        step("model")
        found += by_model(dataset, embed)
    every = together(found)
    sources = Sources(wanted.path.name, tuple(Path(name).name for name in wanted.benchmarks), wanted.model)
    return audited(dataset, every, [*mis_shaped(dataset, every), *spread(dataset), *about], sources)
