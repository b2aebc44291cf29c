"""How a run trains: what the settings, the model's size, the rows' lengths and the memory make of it, decided before the first step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from schemas.training import TrainSettings
from train import processes
from train.choices import learning_rate, parameters, training_length, warmup_ratio
from train.data import TrainingData
from train.losses import CACHED, HYBRID, IN_BATCH, IN_BATCH_LOSSES, LossOptions, build_loss
from train.memory import LARGEST, Fit, automatic_size, rows_that_fit
from train.models import lower_precision, prompts, third_party
from train.sampler import NO_CLASHES, Batches, Neighbourhoods, clashes, texts_of
from train.teacher import Teacher


@dataclass(frozen=True)
class Plan:
    """Everything a trainer is told."""

    loss: str
    options: LossOptions
    batch_size: int
    """Rows a step of one process."""
    accumulation: int
    """Parts that a step is made of, where the loss allows it and the memory asks for it."""
    learning_rate: float
    warmup_ratio: float
    max_length: int | None
    """Tokens that training texts are cut to."""
    parameters: int
    prompts: dict[str, str]
    """Column → the text before it."""
    batches: Batches

    @property
    def rows_at_once(self) -> int:
        """Rows that the trainer hands over at once."""
        return self.batches.size

    def steps(self, settings: TrainSettings) -> int:
        """Steps of the whole run, on each process."""
        an_epoch = math.ceil(self.batches.steps / self.batches.processes / self.accumulation)
        return settings.max_steps or an_epoch * settings.epochs

    def summary(self) -> dict[str, Any]:
        """The plain numbers, for `training.json`."""
        return {
            "batch_size": self.batch_size,
            "rows_at_once": self.options.mini_batch_size or self.rows_at_once,
            "processes": self.batches.processes,
            "learning_rate": self.learning_rate,
            "warmup_ratio": self.warmup_ratio,
            "max_length": self.max_length,
            "parameters": self.parameters,
            "prompts": self.prompts,
        }


def make_plan(
    encoder: Any, data: TrainingData, settings: TrainSettings, lengths: Mapping[str, int], options: LossOptions
) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a run without regard to memory (`within`), and what to say about it."""
    columns = data.texts.columns
    before = prompts(encoder, columns)
    extra = max((lengths.get(prompt, 0) for prompt in before.values()), default=0)
    cut = settings.max_seq_length
    if cut is None:
        cut = training_length(
            [lengths[text] + extra for column in columns for text in data.texts[column]], encoder.max_seq_length
        )
    if cut is not None and max(lengths.values(), default=0) + extra <= cut:
        # Nothing would be cut.
        cut = encoder.max_seq_length
    size = parameters(encoder)
    batch = LARGEST if settings.batch_size == "auto" else settings.batch_size
    plan = Plan(
        loss=data.loss,
        options=options,
        batch_size=batch,
        accumulation=1,
        learning_rate=learning_rate(settings, size, hybrid=data.loss == HYBRID),
        warmup_ratio=warmup_ratio(settings, size),
        max_length=cut,
        parameters=size,
        prompts=before,
        batches=_batches(data, settings, batch, _row_lengths(data, lengths, cut)),
    )
    return plan, _said(plan, settings, encoder)


def within(plan: Plan, data: TrainingData, settings: TrainSettings, fitting: int) -> tuple[Plan, tuple[str, ...]]:
    """The plan with at most `fitting` rows in memory: the cached loss, or a step made of parts, and what to say about it."""
    batch = automatic_size(fitting, data.rows.height) if settings.batch_size == "auto" else settings.batch_size
    notes = [f"batch_size=auto: {batch} rows (memory holds {fitting})."] if settings.batch_size == "auto" else []
    batch = min(batch, max(2, data.rows.height))
    most = min(fitting, settings.mini_batch_size or fitting)
    cached = plan.loss in CACHED or plan.loss in CACHED.values()
    if cached:
        # The library's cached losses take their own default where nothing is said.
        known = plan.loss in CACHED.values()
        small = min(most, batch) if known or most < batch else None
        if most < batch and not known:
            notes.append(f"{CACHED[plan.loss]}: {most} of the {batch} rows of a batch in memory at once, with the same result.")
        loss = CACHED.get(plan.loss, plan.loss) if small is not None else plan.loss
        plan = replace(plan, loss=loss, options=replace(plan.options, mini_batch_size=small))
        parts = 1
    else:
        parts = math.ceil(batch / most)
    if parts > 1:
        notes.append(f"Each step of {batch} rows is made of {parts} parts: memory holds {most} rows.")
    at_once = math.ceil(batch / parts)
    return replace(plan, batch_size=batch, accumulation=parts, batches=replace(plan.batches, size=at_once)), tuple(notes)


def with_teacher(plan: Plan, data: TrainingData, teacher: Teacher) -> Plan:
    """The plan of HybridDistillLoss: batches of neighbouring passages, and what the loss wants to know."""
    clashing = clashes(texts_of(data.rows, data.texts.columns), data.known)  # type: ignore[arg-type]
    old = plan.batches
    batches = Neighbourhoods(
        rows=old.rows,
        size=min(old.size, len(teacher.vectors)),
        seed=old.seed,
        lengths=old.lengths,
        processes=old.processes,
        place=teacher.place.tolist(),
        vectors=teacher.vectors,
        accumulation=plan.accumulation,
    )
    return replace(plan, options=replace(plan.options, teacher=teacher, clashing=clashing), batches=batches)


def measure(encoder: Any, plan: Plan, data: TrainingData, precision: str) -> Fit:
    """How many rows of the longest texts the memory holds, at most the plan's batch."""
    rows = sorted(range(data.rows.height), key=lambda index: -plan.batches.lengths[index] if plan.batches.lengths else 0)
    # The guide keeps nothing for the backward pass, and what the cached losses save is to be found out.
    plain = IN_BATCH if plan.loss in (*IN_BATCH_LOSSES, HYBRID) else plan.loss
    step = partial(_step, encoder, plain, (plan, data, precision, rows))
    training = encoder.training
    encoder.train()
    try:
        return rows_that_fit(encoder, step, plan.batch_size)
    finally:
        encoder.train(training)


def _step(encoder: Any, name: str, what: tuple[Plan, TrainingData, str, list[int]], rows: int, backward: bool) -> None:
    plan, data, precision, longest = what
    torch = third_party("torch")
    device = encoder.device
    # Small data repeats its rows: memory does not care.
    chosen = [longest[index % len(longest)] for index in range(rows)]
    frame = data.rows[chosen]
    features = [_features(encoder, frame[column].to_list(), plan, column) for column in data.texts.columns]
    labels = [column for column in frame.columns if column not in data.texts.columns]
    given = torch.tensor(frame[labels[0]].to_list(), device=device) if labels and plan.loss != HYBRID else None
    loss = build_loss(name, encoder, plan.options).to(device)
    with lower_precision(device, precision):
        value = loss(features, given)
    if backward:
        value.backward()


def _features(encoder: Any, texts: list[str], plan: Plan, column: str) -> dict[str, Any]:
    # Its name, and no limit but the model's, before sentence-transformers 5.4.
    if not hasattr(encoder, "preprocess"):
        found = encoder.tokenize([plan.prompts.get(column, "") + text for text in texts])
    else:
        found = encoder.preprocess(texts, prompt=plan.prompts.get(column), max_length=plan.max_length)
    return {key: value.to(encoder.device) if hasattr(value, "to") else value for key, value in found.items()}


def _batches(data: TrainingData, settings: TrainSettings, size: int, lengths: list[int]) -> Batches:
    apart = data.loss in IN_BATCH_LOSSES
    return Batches(
        rows=data.rows.height,
        size=min(size, max(2, data.rows.height)),
        seed=settings.seed,
        clashing=clashes(texts_of(data.rows, data.texts.columns), data.known) if apart else NO_CLASHES,  # type: ignore[arg-type]
        lengths=lengths if settings.length_grouping else (),
        processes=processes.count(),
    )


def _row_lengths(data: TrainingData, lengths: Mapping[str, int], cut: int | None) -> list[int]:
    """Tokens of each row's longest text: the passages of a batch are embedded together, as wide as the longest of them.

    Of squad's triplets in batches of 32, padding adds 24% to the tokens so, 45% by the sum of a row's tokens, 56% ungrouped.
    """
    most = math.inf if cut is None else cut
    return [int(max(min(lengths[text], most) for text in row)) for row in data.texts.rows()]


def _said(plan: Plan, settings: TrainSettings, encoder: Any) -> tuple[str, ...]:
    notes = []
    if settings.learning_rate is None:
        kind = "the adapters of a model" if settings.lora_rank else "a model"
        notes.append(f"Learning rate {plan.learning_rate:g}, for {kind} of {plan.parameters / 1e6:,.0f} million parameters.")
    if plan.max_length is not None and plan.max_length != encoder.max_seq_length:
        notes.append(
            f"Training texts are cut at {plan.max_length} tokens (99% are shorter); the model goes on reading {encoder.max_seq_length}."
        )
    return tuple(notes)
