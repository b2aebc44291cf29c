"""The dataset folder: pairs, negatives and chunks in, Parquet files, BEIR folders, card and manifest out; one row a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field as fresh
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel

from curate import __version__
from curate.export.anchors import pages, settled
from curate.export.beir import write_eval
from curate.export.card import About, write_card
from curate.export.folder import dataset_is_intact, replaced_dataset
from curate.export.formats import provenance_schema, row_schema, split_page, usable
from curate.export.others import write_others
from curate.export.parquet import RowFile
from curate.export.positions import write_positions
from curate.measured import FIGURES, FOLDER, calibrated
from curate.stage import Batch, Context, Rejection, Stage
from schemas.dataset import FORMATS
from schemas.manifest import FileEntry, Manifest, file_sha256, write_manifest
from schemas.reasons import Reason
from schemas.settings import Settings
from schemas.tables import SPLITS

__all__ = ["STAGE", "dataset_is_intact"]

SHAPING = ("ingest", "deduplicate", "split", "chunk", "generate", "verify", "filter", "mine", "export", "llm")
LIBRARIES = ("duckdb", "polars", "pyarrow")


@dataclass
class Written:
    """What went into the formats' files, and what did not."""

    rows: dict[str, int] = fresh(default_factory=dict)
    """By path."""
    rejected: list[Rejection] = fresh(default_factory=list)
    """Pairs that fit no training format."""
    promoted: int = 0
    answering: int = 0
    """Negatives that answer their question by another pair, so that they stand in no row of it."""


def produce(context: Context) -> Iterator[Batch]:
    """Rows of `exported_files`. Raises StoreError when the folder cannot be written, ContractError when a row is not what its format says."""
    with replaced_dataset(Path(context.folder)) as folder:
        written = _write_formats(context, folder)
        rows = written.rows
        counts = _counts(rows)
        _drop_empty(folder, rows)
        rows |= write_eval(context, folder) | write_positions(context, folder)
        others, left_out = write_others(folder, context.settings.export.also)
        rows |= others
        counts["queries"] = {split: rows[f"eval/{split}/queries.jsonl"] for split in ("dev", "test")}
        counts["corpus"] = {"passages": rows["eval/test/corpus.jsonl"]}
        manifest = _manifest(context, counts, written)
        manifest = manifest.model_copy(update={"notes": [*manifest.notes, *left_out]})
        (folder / "README.md").write_text(write_card(manifest, _about(context)), encoding="utf-8", newline="\n")
        manifest = manifest.model_copy(update={"files": _entries(folder, rows)})
        write_manifest(folder, manifest)
        files = _entries(folder, rows)
    yield Batch("exported_files", [{"path": path, **entry.model_dump()} for path, entry in files.items()], written.rejected)


def _about(context: Context) -> About:
    languages = context.reader.query("export_languages").rows()
    return About(
        origins=context.reader.query("export_origins").to_dicts(),
        languages=[language for language, _ in languages if language != "und"],
        measured=calibrated(Path(context.folder)),
    )


def _write_formats(context: Context, folder: Path) -> Written:
    """Write every format's Parquet files."""
    negatives = context.settings.mine.negatives
    written = Written()
    total, done = context.reader.count("pairs"), 0
    for split in SPLITS:
        schemas = {f"{name}/{split}.parquet": row_schema(name, negatives) for name in FORMATS}
        schemas |= {f"provenance/{name}/{split}.parquet": provenance_schema(name) for name in FORMATS}
        with ExitStack() as stack:
            files = {path: stack.enter_context(RowFile(folder / path, schema)) for path, schema in schemas.items()}
            for found in pages(context, split):
                page, answering = settled(found)
                written.answering += answering
                written.promoted += int(page["promoted_texts"].list.len().sum())
                written.rejected += _unusable(page)
                for name, (own, provenance) in split_page(page, negatives).items():
                    files[f"{name}/{split}.parquet"].append(own)
                    files[f"provenance/{name}/{split}.parquet"].append(provenance)
                done += page.height
                context.progress(done, total)
            written.rows |= {path: file.rows for path, file in files.items()}
    return written


def _unusable(page: pl.DataFrame) -> list[Rejection]:
    left_out = page.filter(pl.col("is_positive") & ~usable())
    return [
        Rejection(row["pair_id"], Reason.ANCHOR_EQUALS_PASSAGE, row={"anchor": row["anchor"]})
        for row in left_out.iter_rows(named=True)
    ]


def _counts(rows: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Rows by format and split; formats without any row are left out."""
    counts = {name: {split: rows[f"{name}/{split}.parquet"] for split in SPLITS} for name in FORMATS}
    return {name: by_split for name, by_split in counts.items() if any(by_split.values())}


def _drop_empty(folder: Path, rows: dict[str, int]) -> None:
    """`datasets` cannot load a config with a split of no rows."""
    for path in [path for path, count in rows.items() if not count]:
        del rows[path]
        (folder / path).unlink()
    for name in FORMATS:
        for place in (folder / name, folder / "provenance" / name):
            if not any(place.iterdir()):
                place.rmdir()


def _manifest(context: Context, counts: dict[str, dict[str, int]], written: Written) -> Manifest:
    settings = context.settings
    reasons: dict[str, dict[str, int]] = {}
    for row in context.reader.query("export_rejected").iter_rows(named=True):
        reasons.setdefault(row["stage"], {})[row["reason"]] = row["rows"]
    if written.rejected:
        reasons["export"] = dict(Counter(str(rejection.reason) for rejection in written.rejected))
    return Manifest(
        name=settings.export.name,
        curate_version=__version__,
        libraries={name: version(name) for name in LIBRARIES},
        settings=shaping_settings(settings),
        heading_prefix=settings.chunk.heading_prefix,
        split_method=context.reader.query("export_split_method")["method"][0],
        negatives=settings.mine.negatives,
        counts=counts,
        rejected=reasons,
        prompts=dict(context.reader.query("export_prompts").rows()),
        notes=[*_notes(counts), *_notes_on_passages(counts, written)],
        files={},
    )


def _notes(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    pairs, triplets = sum(counts.get("pairs", {}).values()), sum(counts.get("triplets", {}).values())
    if triplets < pairs:
        yield f"Too few negatives for a triplet, so in pairs, labeled and multi_positive alone: {pairs - triplets:,} of {pairs:,} pairs."
    for split in SPLITS:
        if pairs and not counts["pairs"][split]:
            yield f"No pairs in {split}."
    for split in ("dev", "test"):
        if not counts["queries"][split]:
            yield f"No queries in eval/{split}: nothing can be measured on it."


def _notes_on_passages(counts: Mapping[str, Mapping[str, int]], written: Written) -> Iterator[str]:
    if written.promoted:
        yield f"Candidates that answer (`mine.promote_model`), so further positives: {written.promoted:,}."
    if written.answering:
        yield f"Negatives left out because they answer the same question in another pair: {written.answering:,}."
    triplets, distilled = sum(counts.get("triplets", {}).values()), sum(counts.get("distilled", {}).values())
    if 0 < distilled < triplets:
        yield f"Without a teacher's score for every passage, so not in distilled: {triplets - distilled:,} of {triplets:,} triplets."


def shaping_settings(settings: Settings) -> dict[str, Any]:
    """All settings that shape rows, as JSON values, without paths of this machine."""
    values: dict[str, Any] = {"seed": settings.seed}
    values |= {name: _shaping(settings.section(name)) for name in SHAPING}
    return values


def _shaping(section: BaseModel) -> dict[str, Any]:
    """The section's fields that a fingerprint holds too: only these may stand in a file that is not rewritten for the others."""
    values = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and (extra.get("shapes_rows") is False or extra.get("private")):
            del values[name]
        elif isinstance(extra, dict) and extra.get("names_file") and values[name] is not None:
            named = values[name]
            values[name] = Path(named).name if isinstance(named, str) else [Path(one).name for one in named]
        elif isinstance(extra, dict) and extra.get("may_be_path") and values[name] is not None:
            values[name] = _bare(values[name])
        elif isinstance(value := getattr(section, name), BaseModel):
            values[name] = _shaping(value)
    return values


def _bare(path: str) -> str:
    """The name of a file or folder without its place on this machine; hub ids stay whole."""
    return Path(path).name if Path(path).is_absolute() or path.startswith((".", "~")) else path


def _entries(folder: Path, rows: Mapping[str, int]) -> dict[str, FileEntry]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size, rows=rows.get(name))
        for name, path in sorted(names.items())
    }


STAGE = Stage(
    name="export",
    reads=(
        "documents",
        "imported_pairs",
        "splits",
        "chunks",
        "chunk_clusters",
        "questions",
        "pairs",
        "negatives",
        "rejected",
    ),
    writes=("exported_files",),
    produce=produce,
    settings=("seed", *SHAPING),
    libraries=LIBRARIES,
    files=(
        "sql/export_chunks.sql",
        "sql/export_order.sql",
        "sql/export_pairs.sql",
        "sql/export_promoted.sql",
        "sql/export_near_copies.sql",
        "sql/export_repeated_questions.sql",
        "sql/export_rejected.sql",
        "sql/export_split_method.sql",
        "sql/export_origins.sql",
        "sql/export_languages.sql",
        "sql/export_prompts.sql",
    ),
    folder_files=(f"{FOLDER}/{FIGURES}",),
)
