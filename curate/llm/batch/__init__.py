"""The batch API of an endpoint: requests are handed in together, answered within a day, and collected by a later run."""

from curate.llm.batch.asker import BatchAsker
from curate.llm.batch.record import Batch, pending_batches

__all__ = ["Batch", "BatchAsker", "pending_batches"]
