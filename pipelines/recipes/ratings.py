"""STS-B in recipes: how well a model's cosines follow people's ratings, and what tuning did to that."""

from __future__ import annotations

from pipelines.recipes.order import Order
from pipelines.recipes.source import Part, read_part, some, texts
from schemas.errors import InputError
from train.forgetting import FIRST, SCORE, SECOND, Forgetting, Rated, forgetting, read_rated, similarities
from train.models import free_memory, load_model, silenced

STSB = Part("stsb", "hf://nyu-mll/glue/stsb:validation", "sentence1, sentence2, score")


def read_ratings(order: Order) -> list[Rated]:
    """STS-B's validation rows, or all rows of a file that does not tell splits apart; at most `max_rows`."""
    rows = read_part(order, STSB, ("validation", "dev", "test"))
    found = texts(some(rows, order.max_rows, order.seed), (FIRST, SECOND, SCORE), STSB)
    try:
        return [Rated(first, second, float(score)) for first, second, score in found]
    except ValueError as error:
        raise InputError("a score is no number", where=STSB.name, next_step=f"give {STSB.option} FILE: {STSB.columns}") from error


def general_ratings(order: Order) -> tuple[Rated, ...]:
    """The rows of --general, none where it is not given; raises what `read_rated` does."""
    return tuple(read_rated(order.general)) if order.general is not None else ()


def forgotten(order: Order, base: str, tuned: str) -> Forgetting | None:
    """What tuning lost of general similarity; None where the order names no rated texts."""
    rated = general_ratings(order)
    if not rated:
        return None
    cosines = []
    for model in (base, tuned):
        order.progress("forgetting", 0, None)
        with silenced():
            cosines.append(similarities(load_model(model, device=order.device), rated))
        free_memory()
    return forgetting(rated, cosines[0], cosines[1], seed=order.seed)
