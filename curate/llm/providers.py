"""Which provider answers a role: live calls, the batch API, or a model in this process."""

from __future__ import annotations

from typing import Literal

from curate.llm.answers import AnswerStore
from curate.llm.asking import Asker, Assignment
from curate.llm.batch import BatchAsker
from curate.llm.client import Client
from curate.llm.in_process import InProcess
from curate.llm.spending import Spending
from schemas.settings import LlmSettings, RoleSettings

Role = Literal["generator", "judge"]


def open_asker(role: Role, settings: LlmSettings, store: AnswerStore, *, stage: str) -> Asker:
    """The provider that `llm.ROLE.provider` names. Raises SettingsError when it cannot be used as it is set."""
    of_role: RoleSettings = getattr(settings, role)
    assignment, spending = Assignment(role, of_role, stage), Spending(settings, store, role)
    match of_role.provider:
        case "batch":
            return BatchAsker(assignment, store, spending)
        case "transformers":
            return InProcess(assignment, store, spending)
        case _:
            return Client(assignment, store, spending)
