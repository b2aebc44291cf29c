"""The only client of language models: requests in, answers out in the same order, each paid once."""

from curate.llm.answers import AnswerStore, StoredAnswer, clean_text, request_key
from curate.llm.client import Answer, Client, endpoint_key
from curate.llm.wire import Request

__all__ = ["Answer", "AnswerStore", "Client", "Request", "StoredAnswer", "clean_text", "endpoint_key", "request_key"]
