"""SQuAD: questions and the paragraphs that answer them, which most base models have seen; tuning too long makes them worse."""

from __future__ import annotations

from pipelines.recipes.order import Order
from pipelines.recipes.source import Part
from pipelines.recipes.sweep import Published, sweep
from pipelines.recipes.table import Outcome

PUBLISHED = Published(
    name="squad",
    part=Part("squad", "hf://rajpurkar/squad:train", "question, context (or a squad JSON file)", first=True),
    columns=(("question", "query", "anchor"), ("context", "passage", "positive", "answer")),
    rows=50_000,
    gain="small",
    beating="3",
    overfitting="early",
    reranked={5: "0.623 → 0.645", 10: "0.700 → 0.719"},
)


def run(order: Order) -> Outcome:
    """The sweep over epochs on SQuAD."""
    return sweep(order, PUBLISHED)
