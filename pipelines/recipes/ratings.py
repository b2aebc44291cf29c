"""STS-B in recipes: how well a model's cosines follow people's ratings, and what tuning did to that."""

from __future__ import annotations

from pipelines.evaluation import forgotten
from pipelines.recipes.order import Order
from pipelines.recipes.source import Part, read_part, some, texts
from schemas.errors import InputError
from train.evaluate import BASE, TUNED
from train.forgetting import FIRST, SCORE, SECOND, Forgetting, Rated, read_rated

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


def lost_by_tuning(order: Order, base: str, tuned: str) -> Forgetting | None:
    """What tuning lost of general similarity; None where the order names no rated texts."""
    rated = general_ratings(order)
    if not rated:
        return None
    return forgotten({BASE: base, TUNED: tuned}, rated, order.evaluate_settings(), order.progress)
