"""The README of a checker or a reranker: what it was fitted to, how well it tells on dev, how to use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from train.model_card import quoted

_CARD = """---
library_name: sentence-transformers
pipeline_tag: text-ranking
tags: [sentence-transformers, cross-encoder, {tag}]
---

# {title}: does the passage answer the question?

{base} fitted to {rows}, {steps} steps ({device}, {precision}).

| rows | answerable | unanswerable | documents |
|---|---|---|---|
| train | {train} |
| dev | {dev} |

{scores}

```python
from sentence_transformers import CrossEncoder

model = CrossEncoder("path/to/this/folder")
probability = model.predict([("a question", "a passage")])
```

{use}

`training.json` holds every setting, the hashes of the data and of the base model, and the metrics by step.
{notes}"""


def checker_card(record: Mapping[str, Any]) -> str:
    """Markdown with YAML front matter from a training record; names are quoted, so that none can break out of the text."""
    notes = "".join(f"\n- {note}" for note in record["notes"])
    threshold = record["threshold"]
    return _CARD.format(
        base=quoted(record["model"]),
        rows=", ".join(quoted(source) for source in record["sources"]) or "rows given by a program",
        steps=record["steps"],
        device=record["device"],
        precision=record["precision"],
        train=" | ".join(str(record["train_rows"][name]) for name in _COLUMNS),
        dev=" | ".join(str(record["dev_rows"][name]) for name in _COLUMNS),
        scores=_scores(record),
        title=str(record["task"]).capitalize(),
        tag=_TAGS[record["task"]],
        use=_USES[record["task"]].format(setting="" if threshold is None else f" --set filter.min_checker_score={threshold:.4f}"),
        notes=f"\n{notes.strip()}\n" if notes else "",
    )


_TAGS = {"checker": "answerability", "reranker": "reranker"}

_USES = {
    "checker": """In a build: `curate build … --set verify.checker=path/to/this/folder{setting}`. A document of the dev rows
is in none of the training rows. Measure it on your own corpus with `curate calibrate` before you trust it.""",
    "reranker": """On top of any search: give it the query with each of the first 50 passages or so, and order them by its score. Whether that helps is told by
`curate evaluate MODEL DATASET --reranker path/to/this/folder`, on questions that people asked if you have them.""",
}

_COLUMNS = ("answerable", "unanswerable", "documents")


def _scores(record: Mapping[str, Any]) -> str:
    if record["dev"] is None:
        return "There were no dev rows: the last epoch was kept, and no threshold can be recommended."
    dev = record["dev"]
    return (
        f"On dev: ROC-AUC {dev['roc_auc']:.4f}, average precision {dev['average_precision']:.4f}. "
        f"Recommended threshold: {record['threshold']:.4f} (the best F1 of answerable rows, {dev['f1']:.4f}); "
        f"{record['threshold_keeping_95']:.4f} keeps 95% of the answerable rows."
    )
