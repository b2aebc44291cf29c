"""Sound rows to spoil, and the findings of an audit as plain tuples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from curate.audit import Audited, Wanted, audit
from curate.audit.scores import Embed
from pipelines.engine import ProcessEngine

Row = dict[str, Any]

FACTS = (
    ("Who designed the lighthouse at Kermorvan?", "The lighthouse at Kermorvan, finished in 1849 after long quarrels about money, was the work of a young engineer named Louis Plantier, who never saw it lit."),
    ("When does the night market of Harlow close?", "Traders fold their stalls shortly before two in the morning, and the night market of Harlow is swept by the council half an hour later."),
    ("Why do salt pans turn red in summer?", "Algae that thrive in strong brine make carotenoids against the sun, which is why salt pans turn red when the water grows shallow in July."),
    ("How long is the Ostrava cable railway?", "With its eleven pylons the Ostrava cable railway covers some three kilometres, a ride of nine minutes for which tickets are sold in the old brewery."),
    ("What did the monks of Tarle brew?", "From the thirteenth century on the monks of Tarle brewed a dark ale with juniper berries and sold it to pilgrims at the bridge."),
    ("Which bird nests under the station roof?", "Every April swifts return to the gaps under the station roof; the painters have been told to leave their nests alone until August."),
    ("Where was the first printing press of Gent kept?", "A cellar behind the cloth hall housed the first printing press of Gent until a flood in 1511 ruined its wooden screw."),
    ("What powers the clock of Saint Aldric?", "Twice a week somebody climbs ninety steps to raise the stone weights that power the clock of Saint Aldric, as no motor was ever allowed."),
    ("Who inherited the glassworks in Murau?", "Having no children, the founder left the glassworks in Murau to her apprentice Ilse Brandner, under whom it grew to sixty furnaces."),
    ("How deep is the lake below Veldern?", "Soundings made from a raft put the lake below Veldern at a hundred and forty metres, deeper than the church tower on its shore is high."),
)  # fmt: skip


def sound(**more: Any) -> list[Row]:
    """Rows that nothing is wrong with; `more` goes into each."""
    return [{"anchor": question, "positive": passage, **more} for question, passage in FACTS]


def with_negatives() -> list[Row]:
    """The same as triplets, each with the passage three rows further."""
    return [{**row, "negative": FACTS[(number + 3) % len(FACTS)][1]} for number, row in enumerate(sound())]


def write(folder: Path, rows: Sequence[Row], name: str = "rows.jsonl") -> Path:
    """A JSONL file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def run(path: Path, *, embed: Embed | None = None, **options: Any) -> Audited:
    """An audit in this process."""
    with ProcessEngine(1) as engine:
        return audit(Wanted(path, **options), engine, embed=embed)


def told(audited: Audited) -> list[tuple[int, str, str]]:
    """(row from 1, kind, detail) of all findings."""
    return [(row + 1, kind, detail) for row, kind, detail, _ in audited.found.rows()]


def notes(audited: Audited) -> Iterator[tuple[int, str]]:
    """(row from 1, kind) of findings that flag nothing."""
    return ((row + 1, kind) for row, kind, _, error in audited.found.rows() if not error)
