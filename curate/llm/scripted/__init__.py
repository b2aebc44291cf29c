"""A stand-in for a language model's endpoint: a real HTTP server on loopback that answers from a script, live and in batches."""

from curate.llm.scripted.fabricated import fabricated
from curate.llm.scripted.faults import KINDS, FaultPlan
from curate.llm.scripted.jobs import BatchPlan
from curate.llm.scripted.judges import JUDGES, by_role, is_judge_request, scripted_judge, verdict_reply
from curate.llm.scripted.replies import Reply, error_reply, questions_reply
from curate.llm.scripted.server import ScriptedServer
from curate.llm.scripted.vectors import scripted_vector, vectors_reply

__all__ = [
    "JUDGES",
    "KINDS",
    "BatchPlan",
    "FaultPlan",
    "Reply",
    "ScriptedServer",
    "by_role",
    "error_reply",
    "fabricated",
    "is_judge_request",
    "questions_reply",
    "scripted_judge",
    "scripted_vector",
    "vectors_reply",
    "verdict_reply",
]
