"""What asking stages will cost: calls, tokens, money and time, from their own requests and the answers there are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from curate.generate import STAGE as GENERATE
from curate.generate.parse import is_usable
from curate.generate.turns import requests_in_turn
from curate.llm import AnswerStore, shown_model
from curate.llm.answers import STORE_NAME
from curate.llm.prices import channel_of
from curate.stage import Context
from curate.store import Store
from pipelines.engine import ProcessEngine
from pipelines.estimate.counted import Estimate, Looking, corrected, counted
from pipelines.estimate.judge import Outlook, judge_estimate
from pipelines.runner import Build, Listener
from schemas.settings import Settings

__all__ = ["ROLES", "Asking", "Estimate", "estimates", "nothing_asked"]

ROLES = {"generator": "generate", "judge": "verify"}
"""Roles in the order in which they are asked, with their stages."""


@dataclass(frozen=True)
class Asking:
    """Role → why it is not asked, or ""; `renewed`: stage generate runs, so that questions may change."""

    reasons: Mapping[str, str]
    renewed: bool


def estimates(build: Build, store: Store, asking: Asking, hears: Listener) -> tuple[Estimate, ...]:
    """One estimate a role. The answers are looked up in the build's folder, the rows in `store`."""
    reasons = asking.reasons
    with ExitStack() as stack, ProcessEngine(1) as engine:
        answers = None
        if (build.folder / STORE_NAME).is_file():
            answers = stack.enter_context(AnswerStore(build.folder, read_only=True))
        context = Context(
            settings=build.settings,
            reader=store.reader((*GENERATE.reads, "questions")),
            engine=engine,
            progress=hears.progress,
            note=lambda _: None,
            folder=str(build.folder),
        )
        generator = _not_asked(build.settings, "generator", reasons["generator"])
        if not reasons["generator"]:
            generator = _generator(context, answers, hears)
        if build.settings.llm.judge.model is None:
            return (generator,)
        if reasons["judge"]:
            return (generator, _not_asked(build.settings, "judge", reasons["judge"]))
        outlook = Outlook(generator, "questions" in store.tables(), asking.renewed)
        return (generator, judge_estimate(context, answers, outlook, hears))


def nothing_asked(settings: Settings, reasons: Mapping[str, str]) -> tuple[Estimate, ...]:
    """The estimates of a build that asks no model."""
    roles = ("generator", "judge") if settings.llm.judge.model else ("generator",)
    return tuple(_not_asked(settings, role, reasons[role]) for role in roles)


def _not_asked(settings: Settings, role: str, reason: str) -> Estimate:
    of_role = getattr(settings.llm, role)
    return Estimate(ROLES[role], role, shown_model(of_role), channel_of(of_role), bound=role == "judge", reason=reason)


def _generator(context: Context, answers: AnswerStore | None, hears: Listener) -> Estimate:
    """Exact in calls: every request of stage `generate` is made and looked up."""
    hears.stage_started("counting calls", ())
    looking = Looking("generator", ROLES["generator"], context.settings.llm.generator, answers, is_usable)
    return corrected(context.settings, answers, counted(looking, requests_in_turn(context), hears))
