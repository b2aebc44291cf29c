"""A build with made-up answers: every stage runs, in a folder of its own, against a scripted server in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate.llm import AnswerStore
from curate.llm.prices import channel_of, price_of
from curate.llm.scripted import BatchPlan, Reply, ScriptedServer, fabricated
from curate.llm.usage import spent
from pipelines.runner import Build
from schemas.errors import StoreError
from schemas.settings import LlmSettings, PriceSettings, RoleSettings, Settings

NAME = "dry run"
_NO_KEY = "CURATE_DRY_RUN_KEY"
_LONG_S = 3600.0
_SOON_S = 0.02


@contextmanager
def dry_run(build: Build) -> Iterator[Build]:
    """The same build, but into `FOLDER-dry-run` and with a server that makes answers up. The real answers are not touched."""
    with ScriptedServer(_made_up) as server, _loopback_without_proxy():
        server.remembers = False
        server.batches.plan = BatchPlan(polls=2)
        yield replace(build, folder=dry_run_folder(build.folder), settings=dry_run_settings(build.settings, server.url))


def dry_run_folder(folder: Path) -> Path:
    """Where a dry run of a build folder goes."""
    named = folder if folder.name else folder.resolve()
    return named.with_name(f"{named.name}-dry-run")


def dry_run_settings(settings: Settings, url: str) -> Settings:
    """The settings with the made-up endpoint: models are renamed, so that no row can pass for a real one, and keep their price."""
    llm = settings.llm
    roles = {"generator": llm.generator} | ({"judge": llm.judge} if llm.judge.model else {})
    changed = {name: _role(role, url) for name, role in roles.items()}
    prices = dict(llm.prices)
    for role in roles.values():
        price = price_of(llm, role.model, channel_of(role)) if role.model else None
        if price is not None:
            prices[_model(role)] = PriceSettings(prompt=price.prompt, completion=price.completion, batch=price.batch)
    # A model that nobody named has no price to keep a budget with.
    budget = llm.budget if llm.generator.model else None
    other: LlmSettings = llm.model_copy(update={**changed, "prices": prices, "budget": budget})
    return settings.model_copy(update={"llm": other})


def dry_run_line(folder: Path, settings: Settings) -> str:
    """What a dry run asked, in one line for people."""
    made_up = "the questions are fabricated, so train nothing on them"
    try:
        with AnswerStore(folder, read_only=True) as store:
            total = spent(store, settings.llm)
    except StoreError:
        return f"dry run: no language model was asked; {made_up}"
    return (
        f"dry run: {total.calls:,} calls with about {total.prompt_tokens:,} prompt and {total.completion_tokens:,} answer tokens "
        f"(estimated), answered on this machine; nothing was sent or paid. {made_up.capitalize()}: {folder}"
    )


def _made_up(body: dict[str, Any]) -> Reply:
    # Without usage, calls count as they were estimated: the length of a made-up answer says nothing about a model's.
    return replace(fabricated(body), usage=None)


def _role(role: RoleSettings, url: str) -> RoleSettings:
    return role.model_copy(
        update={
            "provider": "batch" if role.provider == "batch" else "endpoint",
            "model": _model(role),
            "base_url": url,
            "alias": NAME,
            "api_key_env": _NO_KEY,
            "batch_wait_s": _LONG_S,
            "batch_poll_s": _SOON_S,
        }
    )


def _model(role: RoleSettings) -> str:
    return f"{NAME} of {role.model}" if role.model else NAME


@contextmanager
def _loopback_without_proxy() -> Iterator[None]:
    before = os.environ.get("NO_PROXY")
    os.environ["NO_PROXY"] = ",".join(filter(None, (before or os.environ.get("no_proxy"), "127.0.0.1")))
    try:
        yield
    finally:
        if before is None:
            del os.environ["NO_PROXY"]
        else:
            os.environ["NO_PROXY"] = before
