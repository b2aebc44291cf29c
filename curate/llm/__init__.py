"""The only client of language models: requests in, answers out, each paid once."""

from curate.llm.answers import AnswerStore, Purpose, Run, StoredAnswer, clean_text, request_key
from curate.llm.asking import (
    ATTEMPTS,
    Acceptable,
    Answer,
    Asker,
    Assignment,
    answer_key,
    endpoint_key,
    shown_model,
    stored_answer,
)
from curate.llm.client import Client
from curate.llm.prices import channel_of
from curate.llm.providers import Role, open_asker
from curate.llm.spending import Spending, stop_note
from curate.llm.wire import Request

__all__ = [
    "ATTEMPTS",
    "Acceptable",
    "Answer",
    "AnswerStore",
    "Asker",
    "Assignment",
    "Client",
    "Purpose",
    "Request",
    "Role",
    "Run",
    "Spending",
    "StoredAnswer",
    "answer_key",
    "channel_of",
    "clean_text",
    "endpoint_key",
    "open_asker",
    "request_key",
    "shown_model",
    "stop_note",
    "stored_answer",
]
