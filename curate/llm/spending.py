"""What may yet be spent on language models: calls and money, over all roles of a build folder."""

from __future__ import annotations

from curate.llm.answers import AnswerStore
from schemas.settings import LlmSettings


class Spending:
    """Counts against `llm.max_calls`, over everything the folder's store has paid for and what is under way."""

    def __init__(self, settings: LlmSettings, store: AnswerStore) -> None:
        self._most_calls = settings.max_calls
        self._calls = store.paid_calls()
        self._under_way = 0

    def take(self) -> str:
        """Reserve one call: "" when it may be made, else why not."""
        if self._most_calls is not None and self._calls + self._under_way >= self._most_calls:
            return f"llm.max_calls = {self._most_calls:,} is reached"
        self._under_way += 1
        return ""

    def paid(self) -> None:
        """A reserved call was answered, and so paid for."""
        self._under_way -= 1
        self._calls += 1

    def give_back(self) -> None:
        """A reserved call came to nothing."""
        self._under_way -= 1
