"""Takes in a batch that has ended: answers into the store, refusals into the record, the rest free to be asked again."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any

from curate.llm.answers import AnswerStore, Purpose, StoredAnswer
from curate.llm.asking import Assignment
from curate.llm.batch.api import BatchApi
from curate.llm.batch.lines import LineError, read_results
from curate.llm.batch.record import Batch, Entry, Record
from curate.llm.faults import meaning, message, provider_error, untaken_feature
from curate.llm.spending import Spending

_REFUSED_AFTER = 5
"""So many refused requests in a batch without any answer: it is the settings, not the requests."""
_BATCH_FAULTS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (429, ("billing", "quota", "token_limit", "rate_limit", "too many")),
    (404, ("model_not_found", "invalid_model", "does not exist", "unknown model")),
)
"""Which status a live call would have had, by words in the reason that a whole batch failed for."""


@dataclass
class _Tally:
    answered: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    untaken: set[str] = field(default_factory=set)
    hard: Exception | None = None
    refusal: Exception | None = None


@dataclass(frozen=True)
class Collector:
    """For the batches of one address; `address` is also the key of what its endpoint does not take."""

    assignment: Assignment
    store: AnswerStore
    record: Record
    spending: Spending
    api: BatchApi
    address: str

    def collect(self, batch: Batch, found: Any) -> dict[str, str]:
        """Key and reason of each request that came to nothing for a passing reason. `found` is the ended batch as the endpoint shows it.

        Raises ProviderError when none of its requests could succeed; they are then free to be asked again.
        """
        with ExitStack() as stack:
            files: list[IO[bytes]] = []
            for name in ("output_file_id", "error_file_id"):
                if file_id := getattr(found, name, None):
                    files.append(stack.enter_context(TemporaryFile(dir=self.store.path.parent)))
                    self.api.fetch(file_id, files[-1])
            return self._taken_in(batch, found, files)

    def lose(self, batch: Batch, state: str) -> None:
        """The endpoint knows nothing of the batch any more."""
        for entry in self.record.entries(batch.nonce).values():
            self._give_back(entry)
        self.record.ended(batch.nonce, state)

    def _taken_in(self, batch: Batch, found: Any, files: list[IO[bytes]]) -> dict[str, str]:
        entries = self.record.entries(batch.nonce)
        tally = _Tally()
        for file in files:
            for key, result in read_results(file):
                entry = entries.pop(key, None)
                if entry is not None:
                    self._take(batch, entry, result, tally)
        if fault := _fault_of_batch(found):
            self._judge(batch, "", fault, tally)
            tally.hard = tally.hard or tally.refusal
        why = message(fault) if fault else f"batch {batch.batch_id} ended ({found.status}) without it"
        for entry in entries.values():
            self._give_back(entry)
        if fault is None or not tally.untaken:
            tally.lost |= dict.fromkeys(entries, why)
        self._end(batch, str(found.status), tally)
        return tally.lost

    def _end(self, batch: Batch, status: str, tally: _Tally) -> None:
        if tally.untaken:
            self.store.remember_untaken(self.address, self.store.untaken(self.address) | tally.untaken)
        hopeless = tally.hard
        if len(tally.refused) >= _REFUSED_AFTER:
            hopeless = hopeless or tally.refusal
        if tally.answered or tally.untaken or hopeless is None:
            self.record.ended(batch.nonce, status, tally.refused.items())
            return
        self.record.ended(batch.nonce, status)
        raise provider_error(hopeless, self.assignment.role, self.assignment.settings) from hopeless

    def _take(self, batch: Batch, entry: Entry, result: StoredAnswer | LineError, tally: _Tally) -> None:
        if isinstance(result, LineError):
            self._give_back(entry)
            self._judge(batch, entry.key, result, tally)
            return
        tally.answered += 1
        if self.store.get(entry.key) is not None:
            # Stored just before an earlier run was killed.
            self._give_back(entry)
            return
        estimates = (entry.prompt_estimate, entry.completion_estimate)
        asked = Purpose(batch.role, batch.stage, batch.model, "batch", entry.attempt, *estimates)
        self.store.put(entry.key, result, asked)
        self.spending.paid(self._tokens(entry), result)

    def _judge(self, batch: Batch, key: str, fault: LineError, tally: _Tally) -> None:
        # Only a feature that is named counts: a wrong guess would cost a whole batch.
        feature = untaken_feature(fault, batch.features.split(), proven=True)
        kind = meaning(fault)
        if feature is not None:
            tally.untaken.add(feature)
        elif kind == "refused":
            tally.refusal = fault
            if key:
                tally.refused[key] = message(fault)
        else:
            tally.hard = fault if kind == "hard" else tally.hard
            if key:
                tally.lost[key] = message(fault)

    def _give_back(self, entry: Entry) -> None:
        self.spending.give_back(self._tokens(entry))

    def _tokens(self, entry: Entry) -> tuple[int, int]:
        return entry.tokens(self.assignment.settings.max_output_tokens)


def _fault_of_batch(found: Any) -> LineError | None:
    """Why the whole batch failed, with the status that a live call would have had; None when it did not fail."""
    if found.status != "failed":
        return None
    errors = getattr(getattr(found, "errors", None), "data", None) or []
    said = "; ".join(f"{getattr(error, 'code', '')}: {getattr(error, 'message', '')}" for error in errors[:3])
    if not said:
        return LineError("the batch failed, no reason given", None)
    status = next((status for status, words in _BATCH_FAULTS if any(word in said.lower() for word in words)), 400)
    return LineError(said, status)
