"""The dataset card: configs that `datasets` reads, and what people must know; never a word of the documents themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curate.measured import caught, killed
from schemas.dataset import FORMATS
from schemas.manifest import Manifest
from schemas.reasons import meaning
from schemas.settings import Settings

_LONGEST = 200
"""Characters of a setting's value that are shown."""

WHAT_A_ROW_IS = {
    "triplets": "`anchor`, `positive`, {negatives}: hard negatives; only rows that have all {k}",
    "pairs": "`anchor`, `positive`",
    "labeled": "`anchor`, `passage`, `label`: 1 answers, 0 does not",
    "scored": "`anchor`, `passage`, `score` between 0 and 1, as imported",
    "distilled": (
        "`anchor`, `positive`, {negatives}, `positive_score`, {scores}: triplets with the teacher's cosine of anchor and passage"
    ),
    "multi_positive": "`anchor`, `positives`, `negatives`: all passages that are known to answer it, and hard negatives; one row an anchor",
}


@dataclass(frozen=True)
class About:
    """What a card says beside the manifest."""

    origins: Sequence[Mapping[str, Any]] = ()
    """Rows of origin, style, pairs."""
    languages: Sequence[str] = ()
    """ISO 639-1 codes of the documents, the commonest first."""
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Gate → what `curate calibrate` measured of it."""


def write_card(manifest: Manifest, about: About = About()) -> str:
    """README.md of a dataset folder."""
    formats = [name for name in FORMATS if name in manifest.counts]
    name = " ".join(manifest.name.split()) or "dataset"
    parts = [
        _header(formats, manifest, name, about),
        f"# {_plain(name)}\n",
        "Training data for a text-embedding model, made from documents by `curate`: questions, the passages that answer them, and passages that do not.\n",
        "## Rows\n",
        *_rows(formats, manifest),
        "\n## Load\n",
        *_loading(formats),
        "\n## What is embedded\n",
        _embedded(manifest),
        "\n## Splits\n",
        _splits(manifest),
        "\n## Evaluation\n",
        _evaluation(manifest),
        "\n## Where the questions come from\n",
        *_origins(about),
        "\n## How it was made\n",
        *_made(manifest),
        "\n## What was left out\n",
        *_left_out(manifest),
        "\n## Gates, measured\n",
        *_gates(about),
        "\n## Limits\n",
        *[f"- {limit}" for limit in _limits(manifest, about)],
        "\n## Notes\n",
        *[f"- {note}" for note in manifest.notes],
        "- `provenance/` holds, in the same row order, question, chunk, document and cluster ids of every row.",
        "- `manifest.json` holds all settings, versions, counts, what was rejected and why, and the sha256 of every file.",
        "\n## Licence\n",
        _licence(manifest),
    ]
    return "\n".join(parts) + "\n"


def _header(formats: Sequence[str], manifest: Manifest, name: str, about: About) -> str:
    # JSON strings are YAML strings, whatever is in them.
    licence = manifest.settings["export"]["licence"] or "other"
    lines = ["---", f"pretty_name: {json.dumps(name, ensure_ascii=True)}", f"license: {licence}"]
    if about.languages:
        lines += ["language:", *(f"- {json.dumps(language)}" for language in about.languages)]
    lines += [
        "task_categories:",
        "- sentence-similarity",
        "- text-retrieval",
        "tags:",
        "- synthetic",
        "- embeddings",
        "- retrieval",
    ]
    lines += ["size_categories:", f"- {_size(sum(manifest.counts.get('pairs', {}).values()))}", "configs:"]
    if not formats:
        lines[-1] = "configs: []"
    for index, config in enumerate(formats):
        lines += [f"- config_name: {config}", *(["  default: true"] if index == 0 else []), "  data_files:"]
        for split in (split for split, count in manifest.counts[config].items() if count):
            lines += [f"  - split: {split}", f"    path: {config}/{split}.parquet"]
    return "\n".join([*lines, "---", ""])


def _size(rows: int) -> str:
    """The hub's word for so many rows."""
    bounds = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
    return next((name for top, name in bounds if rows < top), "10M<n<100M")


def _rows(formats: Sequence[str], manifest: Manifest) -> list[str]:
    if not formats:
        return ["None: no pair was kept. `curate rejects` says why."]
    lines = ["| config | one row | train | dev | test |", "|---|---|---|---|---|"]
    for name in formats:
        counts = manifest.counts[name]
        row = WHAT_A_ROW_IS[name].format(
            k=manifest.negatives, negatives=_series("", manifest), scores=_series("_score", manifest)
        )
        lines.append(
            f"| {name} | {row} | " + " | ".join(f"{counts.get(split, 0):,}" for split in ("train", "dev", "test")) + " |"
        )
    return lines


def _loading(formats: Sequence[str]) -> list[str]:
    first = formats[0] if formats else "triplets"
    code = ["```python", "from datasets import load_dataset", "", f'rows = load_dataset("path/to/this/folder", "{first}")', "```"]
    return [*code, "", "Or train on it: `curate train path/to/this/folder --out model`."]


def _embedded(manifest: Manifest) -> str:
    chunk = manifest.settings["chunk"]
    if manifest.heading_prefix:
        prefix = "Passages begin with their title and heading path: serve with the same prefix, or the model sees other texts than it learned."
    else:
        prefix = "Passages are embedded without their headings: serve them without as well."
    return f"{prefix} Passages have at most {chunk['max_tokens']} tokens (`chunk.method = {json.dumps(chunk['method'])}`)."


def _splits(manifest: Manifest) -> str:
    if manifest.split_method == "blocks":
        return (
            "There were few documents, so the split goes by blocks of sections with a gap between them: a document may give rows to "
            "several splits. Scores on dev and test are milder than on unseen documents."
        )
    return "By near-duplicate cluster of documents: no document, and no near-copy of one, is in two splits. Negatives come from the row's own split."


def _evaluation(manifest: Manifest) -> str:
    return (
        "`eval/dev` and `eval/test` are in BEIR's layout. The corpus is every passage of every split, because one of test passages alone "
        "would be too easy; `text` is the passage exactly as it is embedded, and `title` is empty so that it is not doubled. Relevant are the "
        "question's passage, its near-copies, the passages of other pairs with the same question, and passages that mining found to answer it. "
        f"Queries: {manifest.counts['queries']['dev']:,} dev, {manifest.counts['queries']['test']:,} test."
    )


def _series(end: str, manifest: Manifest) -> str:
    first = f"`negative_1{end}`"
    return first if manifest.negatives == 1 else f"{first} … `negative_{manifest.negatives}{end}`"


def _origins(about: About) -> list[str]:
    lines = ["| origin | style | pairs |", "|---|---|---|"]
    return [*lines, *(f"| {row['origin']} | {_plain(row['style'])} | {row['pairs']:,} |" for row in about.origins)]


def _made(manifest: Manifest) -> list[str]:
    """The settings that are not the defaults."""
    usual = Settings().model_dump(mode="json", by_alias=False)
    found = [
        f"- `{name} = {_code(value)}`"
        for name, value in _flat(manifest.settings)
        if name not in ("export.name", "export.licence") and value != _at(usual, name)
    ]
    text = f"curate {manifest.curate_version}, by the stages ingest, deduplicate, split, chunk, generate, verify, filter, mine and validate. "
    return [text + "Settings that are not the defaults:\n", *found] if found else [text + "All settings are the defaults."]


def _flat(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _code(value: Any) -> str:
    """A value that stays within its backticks."""
    return _plain_code(json.dumps(value, ensure_ascii=False))


def _plain_code(text: str) -> str:
    shown = "".join(character if character.isprintable() and character != "`" else " " for character in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _left_out(manifest: Manifest) -> list[str]:
    rows = [(stage, reason, count) for stage, reasons in manifest.rejected.items() for reason, count in reasons.items()]
    if not rows:
        return ["Nothing."]
    lines = ["| stage | reason | rows | meaning |", "|---|---|---|---|"]
    ranked = sorted(rows, key=lambda row: (-row[2], row[0], row[1]))
    return [*lines, *(f"| {stage} | {reason} | {count:,} | {meaning(reason)} |" for stage, reason, count in ranked)]


def _gates(about: About) -> list[str]:
    known = {gate: (caught(figures), killed(figures)) for gate, figures in about.measured.items()}
    shown = {gate: rates for gate, rates in known.items() if (rates[0] and rates[0][0]) or (rates[1] and rates[1]["rate"])}
    if not known:
        return ["Nobody measured what the gates catch on this corpus (`curate calibrate` does)."]
    lines = [
        "By faults planted in this build's own rows (mean over the kinds of faults), and by questions that pass the rules of form:\n",
        "| gate | planted faults it catches | sound questions it rejects |",
        "|---|---|---|",
    ]
    for gate, (hits, kills) in shown.items():
        share = "" if hits is None else f"{hits[0]:.1%} of {hits[1]:,}"
        lost = "" if kills is None else f"{kills['rate']:.1%} ({kills['low']:.1%}–{kills['high']:.1%}) of {kills['of']:,}"
        lines.append(f"| {gate} | {share} | {lost} |")
    return lines if shown else ["The gates caught no planted fault, and rejected no sound question (`curate calibrate`)."]


def _limits(manifest: Manifest, about: About) -> Iterator[str]:
    total = sum(row["pairs"] for row in about.origins)
    by_origin = {
        origin: sum(row["pairs"] for row in about.origins if row["origin"] == origin) for origin in ("extractive", "llm")
    }
    if total and by_origin["extractive"]:
        share = by_origin["extractive"] / total
        yield f"{share:.0%} of the pairs have questions that are sentences, headings or words of their passage: people ask otherwise."
    if total and by_origin["llm"]:
        yield f"{by_origin['llm'] / total:.0%} of the pairs have questions that a language model wrote; some are wrong although they passed the gates."
    yield "Negatives are passages that were not found to answer. In a corpus that says a thing in many places, some do."
    yield "Queries in `eval/` were made from the passages: a gain on them proves nothing about the questions people ask."
    if manifest.split_method == "blocks":
        yield "Few documents: dev and test come from the same documents as train."


def _licence(manifest: Manifest) -> str:
    named = manifest.settings["export"]["licence"]
    said = f"Stated by its maker: {named}. " if named else ""
    return f"{said}The licence of the documents that it was made from holds: passages are copied from them word for word."


def _plain(text: str) -> str:
    """Text that means nothing to Markdown or HTML."""
    return "".join(character if character.isalnum() or character in " _-.," else f"&#{ord(character)};" for character in text)
