"""The dataset card: configs that `datasets` reads, and what people must know; never a word of the documents themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.dataset import FORMATS
from schemas.manifest import Manifest

WHAT_A_ROW_IS = {
    "triplets": "`anchor`, `positive`, `negative_1` … `negative_{k}`: hard negatives; only rows that have all {k}",
    "pairs": "`anchor`, `positive`",
    "labeled": "`anchor`, `passage`, `label`: 1 answers, 0 does not",
    "scored": "`anchor`, `passage`, `score` between 0 and 1, as imported",
    "distilled": (
        "`anchor`, `positive`, `negative_1` … `negative_{k}`, `positive_score`, `negative_1_score` … `negative_{k}_score`: triplets with the "
        "teacher's cosine of anchor and passage"
    ),
    "multi_positive": "`anchor`, `positives`, `negatives`: all passages that are known to answer it, and hard negatives; one row an anchor",
}


def write_card(manifest: Manifest, origins: Sequence[Mapping[str, Any]]) -> str:
    """README.md of a dataset folder; `origins` are rows of origin, style, pairs."""
    formats = [name for name in FORMATS if name in manifest.counts]
    name = " ".join(manifest.name.split()) or "dataset"
    parts = [
        _header(formats, manifest, name),
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
        *_origins(origins),
        "\n## Notes\n",
        *[f"- {note}" for note in manifest.notes],
        "- `provenance/` holds, in the same row order, question, chunk, document and cluster ids of every row.",
        "- `manifest.json` holds all settings, versions, counts, what was rejected and why, and the sha256 of every file.",
        "\n## Licence\n",
        "The licence of the documents that it was made from. Passages are copied from them word for word.",
    ]
    return "\n".join(parts) + "\n"


def _header(formats: Sequence[str], manifest: Manifest, name: str) -> str:
    # JSON strings are YAML strings, whatever is in them.
    lines = ["---", f"pretty_name: {json.dumps(name, ensure_ascii=True)}", "license: other", "configs:"]
    if not formats:
        lines[-1] = "configs: []"
    for index, config in enumerate(formats):
        lines += [f"- config_name: {config}", *(["  default: true"] if index == 0 else []), "  data_files:"]
        for split in (split for split, count in manifest.counts[config].items() if count):
            lines += [f"  - split: {split}", f"    path: {config}/{split}.parquet"]
    return "\n".join([*lines, "---", ""])


def _rows(formats: Sequence[str], manifest: Manifest) -> list[str]:
    if not formats:
        return ["None: no pair was kept. `curate rejects` says why."]
    lines = ["| config | one row | train | dev | test |", "|---|---|---|---|---|"]
    for name in formats:
        counts = manifest.counts[name]
        row = WHAT_A_ROW_IS[name].format(k=manifest.negatives)
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


def _origins(origins: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| origin | style | pairs |", "|---|---|---|"]
    return [*lines, *(f"| {row['origin']} | {_plain(row['style'])} | {row['pairs']:,} |" for row in origins)]


def _plain(text: str) -> str:
    """Text that means nothing to Markdown or HTML."""
    return "".join(character if character.isalnum() or character in " _-.," else f"&#{ord(character)};" for character in text)
