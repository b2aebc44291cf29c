"""The README of a tuned model: what it was made from, how it did on dev, how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, feature-extraction, sentence-similarity]
---

# Tuned embedding model

{base} tuned on {rows} {format} of the dataset {dataset}, {steps} ({device}, {precision}), {loss}.

{dev}

<!-- verdict -->
Whether it is better where it matters is not said here: run `curate evaluate` with about 50 questions that people asked.
<!-- /verdict -->

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
queries = model.encode_query(["a question"], normalize_embeddings=True)
passages = model.encode_document(["a passage"], normalize_embeddings=True)
```

{prefix}

`training.json` holds every setting, the hashes of the data and of the base model, and the metrics by step.
{notes}"""


def model_card(record: Mapping[str, Any]) -> str:
    """Markdown with YAML front matter from a training record; names are quoted, so that none can break out of the text."""
    warnings = [f"{warning['name']}: {warning['what']}" for warning in record["warnings"]]
    notes = "".join(f"\n- {note}" for note in (*warnings, *record["notes"]))
    return _CARD.format(
        base=quoted(record["model"]),
        rows=record["rows"],
        format=ROWS[record["format"]],
        loss=record["loss"],
        dataset=quoted(record["dataset"]),
        steps=_steps(record),
        device=record["device"],
        precision=record["precision"],
        dev=_dev_table(record["base_dev"], record["best_dev"]),
        prefix=_PREFIX[bool(record["heading_prefix"])],
        notes=f"\n{notes.strip()}\n" if notes else "",
    )


ROWS = {
    "triplets": "triplets",
    "pairs": "pairs",
    "labeled": "labelled pairs",
    "scored": "scored pairs",
    "distilled": "triplets with a teacher's scores",
    "multi_positive": "rows of anchors with all their positives",
    "nli": "premises with hypotheses",
}
"""What people call the rows of a format."""


def _steps(record: Mapping[str, Any]) -> str:
    several = f"the mean of {record['trainings']} trainings of " if record.get("trainings", 1) > 1 else ""
    return f"{several}{record['steps']} steps"


_PREFIX = {
    True: "Passages were embedded with their title and heading path before the text; do the same when serving.",
    False: "Passages were embedded as they are, without title or headings; do the same when serving.",
}


def quoted(text: str) -> str:
    """A name as Markdown code that cannot break out of it."""
    return "`" + json.dumps(text, ensure_ascii=False)[1:-1].replace("`", "'") + "`"


def _dev_table(base: Mapping[str, float] | None, best: Mapping[str, float] | None) -> str:
    if base is None or best is None:
        return "There was no dev set, so the last step was kept."
    lines = ["| dev, synthetic questions | " + " | ".join(base) + " |", "|---|" + "---|" * len(base)]
    for name, metrics in (("base", base), ("tuned", best)):
        lines.append(f"| {name} | " + " | ".join(f"{value:.4f}" for value in metrics.values()) + " |")
    return "\n".join(lines)
