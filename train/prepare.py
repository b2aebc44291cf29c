"""From rows and a base model to a run that can start: prompts, lengths, adapters, guide, warnings, and what the memory holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from schemas.training import TrainSettings
from train.advice import advise, look, refuse
from train.choices import base_share, set_prompts, token_counts, trainings
from train.data import TrainingData
from train.distil import asked
from train.eval_set import EvalSet
from train.evaluate import Progress
from train.fit import Run
from train.lora import add_adapters
from train.losses import HYBRID, LossOptions, matryoshka_dims
from train.mixture import Mixture
from train.model_folder import Place
from train.models import checkpoint_activations, choose_precision, is_fresh, load_model, weights_sha256
from train.plan import Plan, make_plan, measure, with_teacher, within
from train.teacher import Teacher, load, make_teacher, read_texts, save

TEACHER = "hybrid_teacher.npz"


@dataclass(frozen=True)
class Prepared:
    """What is known before anything is measured."""

    encoder: Any
    data: TrainingData
    dev: EvalSet
    settings: TrainSettings
    plan: Plan
    lengths: dict[str, int]
    """Text → tokens."""
    device: str
    precision: str
    model_sha256: str
    guide_sha256: str
    mixture: Mixture
    trainings: int
    notes: tuple[str, ...]

    def before_training(self, progress: Progress) -> dict[str, Any]:
        """Warnings about the rows (TrainingError where `strict` is set), and how many rows of a batch the memory holds."""
        texts = self.data.texts
        progress("look", 0, None)
        seen = look(texts, self.encoder, self.settings.seed)
        warnings = advise(texts, seen, self.lengths, self.encoder.max_seq_length)
        if self.settings.strict:
            refuse(warnings)
        fit = measure(self.encoder, self.plan, self.data, self.precision)
        return {
            "warnings": [asdict(advice) for advice in warnings],
            "seen": None if seen is None else asdict(seen),
            "fit": asdict(fit),
        }

    def teacher(self, place: Place, progress: Progress) -> Teacher:
        """The teacher of HybridDistillLoss, by the base model: made once, then read again."""
        rows = self.data.rows
        texts = read_texts(self.encoder, asked(rows, self.data.titles).to_list(), rows["positive"].to_list())
        path = place.checkpoints / TEACHER
        if path.is_file():
            return load(texts, path)
        made = make_teacher(self.encoder, texts, self.precision, partial(progress, "teacher"))
        save(made, path)
        return made


def prepare(encoder: Any, name: str, data: TrainingData, dev: EvalSet, settings: TrainSettings) -> Prepared:
    """Make the base model ready: its prompts, adapters and guide; raises what `load_model`, `add_adapters` and the losses raise."""
    device = str(encoder.device)
    notes = [*data.notes, *set_prompts(encoder, name, settings)]
    if settings.matryoshka_dims:
        dims = matryoshka_dims(encoder, settings.matryoshka_dims)
        notes.append(f"Matryoshka: trained on the first {', '.join(map(str, dims))} dimensions.")
    if is_fresh(name):
        notes.append("The model has no sentence-transformers files: a transformer with mean pooling, tuned from there.")
    if not dev.queries:
        notes.append("The dev set has no queries: the last step is kept, without selection.")
    model_sha256 = weights_sha256(encoder)
    hybrid, fresh = data.loss == HYBRID, is_fresh(name)
    mixture = Mixture(encoder, base_share(settings, hybrid=hybrid, fresh=fresh))
    count = trainings(settings, hybrid=hybrid, fresh=fresh)
    if mixture.share:
        notes.append(f"base_share={mixture.share:g}: so much of the finished model's weights are the base model's.")
    if data.loss == HYBRID and (named := int((asked(data.rows, data.titles) != data.rows["anchor"]).sum())):
        notes.append(f"{named:,} of {data.rows.height:,} training questions come after the title of their document.")
    if count > 1:
        notes.append(f"trainings={count}: the weights are the mean of so many trainings, each with a seed of its own.")
    if settings.lora_rank is not None:
        notes.append(add_adapters(encoder, settings))
    if settings.gradient_checkpointing:
        # Here, not by the trainer, so that the memory is measured as it will be used.
        checkpoint_activations(encoder)
    guide = load_model(settings.guide, device=settings.device) if settings.guide else None
    options = LossOptions(
        guide=guide,
        mini_batch_size=settings.mini_batch_size,
        distance=settings.distance,
        margin=settings.margin,
        matryoshka_dims=settings.matryoshka_dims,
        seed=settings.seed,
    )
    texts = data.texts
    prompts = [prompt for prompt in (getattr(encoder, "prompts", None) or {}).values() if prompt]
    lengths = token_counts(encoder, [*prompts, *(text for column in texts.columns for text in texts[column])])
    plan, said = make_plan(encoder, data, settings, lengths, options)
    return Prepared(
        encoder=encoder,
        data=data,
        dev=dev,
        settings=settings,
        plan=plan,
        lengths=lengths,
        device=device,
        precision=choose_precision(settings.precision, device),
        model_sha256=model_sha256,
        guide_sha256="" if guide is None else weights_sha256(guide),
        mixture=mixture,
        trainings=count,
        notes=(*notes, *said),
    )


def decide(prepared: Prepared, place: Place, named: tuple[str, Path], progress: Progress) -> Run:
    """The run as it will be, with what was measured before its first step (once, so that a resumed run is the same run)."""
    name, source = named
    plan, said = within(prepared.plan, prepared.data, prepared.settings, int(place.remembered["fit"]["rows"]))
    if plan.loss == HYBRID:
        plan = with_teacher(plan, prepared.data, prepared.teacher(place, progress))
    return Run(
        name=name,
        source=source,
        data=prepared.data,
        dev=prepared.dev,
        settings=prepared.settings,
        plan=plan,
        device=prepared.device,
        precision=prepared.precision,
        model_sha256=prepared.model_sha256,
        mixture=prepared.mixture,
        trainings=prepared.trainings,
        notes=(*prepared.notes, *said),
        progress=progress,
    )
