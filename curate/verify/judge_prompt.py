"""What the judge is asked: one question with all of its passages in, one request out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from curate.generate.prompt import JUDGE_FILE, Prompt, load_prompt
from curate.languages import LANGUAGES
from curate.llm import Request
from curate.stage import content_id
from curate.text import estimate_tokens
from schemas.settings import Settings

RUBRIC = ("answerable", "self_contained", "specific", "natural")
"""What the judge says yes or no to."""
QUOTE = "quote"
_EXPECTED_TOKENS = 60
"""Tokens of an answer besides its quote, until real ones are known: a sentence comes on top."""
_LONGEST_SENTENCE = 40


@dataclass(frozen=True)
class Shown:
    """A passage that the judge sees; `position` orders the passages of one question."""

    chunk_id: str
    text: str
    heading_path: tuple[str, ...] = ()
    position: int = 0


@dataclass(frozen=True)
class Case:
    """A question to be judged, with all passages that it needs. `document_id` decides its turn and is not sent."""

    question_id: str
    question: str
    passages: tuple[Shown, ...]
    document_id: str = ""
    language: str = ""

    @property
    def content_id(self) -> str:
        """The same for all rows of one question."""
        return content_id("judged", self.question, *sorted(one.chunk_id for one in self.passages))


@dataclass(frozen=True)
class JudgeBrief:
    """What all requests of a build have in common."""

    prompt: Prompt
    seed: int


def judge_brief(settings: Settings) -> JudgeBrief:
    """The prompt that the settings name. Raises SettingsError when it cannot be used."""
    return JudgeBrief(load_prompt(JUDGE_FILE, settings.verify.judge_prompt), settings.seed)


def judge_schema() -> dict[str, Any]:
    """JSON schema of the answer; the quote first, so that what follows is said in view of it."""
    properties = {QUOTE: {"type": "string"}} | {name: {"type": "boolean"} for name in RUBRIC}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def judge_request(case: Case, brief: JudgeBrief) -> Request:
    """The request for a verdict; rows of one question that needs several chunks give the same one."""
    passages = sorted(case.passages, key=lambda one: (one.position, one.chunk_id))
    headings = next((one.heading_path for one in passages if one.heading_path), ())
    # Derived from the content, so that no document can close the quotation itself.
    mark = f"=== question {case.content_id} ==="
    values = {
        "title": _one_line(headings[:1]) or "(none)",
        "passages": "\n".join(_marked(one, f" {at}" if len(passages) > 1 else "") for at, one in enumerate(passages, 1)),
        # On one line, so that it holds no mark of its own.
        "question": f"{mark}\n{' '.join(case.question.split())}\n{mark}",
        "language": LANGUAGES.get(case.language, "the language that you see"),
    }
    messages = (
        {"role": "system", "content": brief.prompt.system},
        {"role": "user", "content": brief.prompt.filled("user", values)},
    )
    expected = _EXPECTED_TOKENS + min([_LONGEST_SENTENCE, *(estimate_tokens(one.text) for one in passages)])
    return Request(messages, judge_schema(), brief.prompt.sha256, brief.seed, expected)


def _marked(passage: Shown, number: str) -> str:
    mark = f"=== passage {passage.chunk_id} ==="
    section = _one_line(passage.heading_path[1:]) or "(none)"
    return f"Section of passage{number}: {section}\n{mark}\n{passage.text}\n{mark}"


def _one_line(headings: Iterable[str]) -> str:
    return " > ".join(" ".join(heading.split()) for heading in headings)
