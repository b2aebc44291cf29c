"""Prompt files: `# name` sections of text with {{fields}}; ours, or the user's own in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from curate.generate.parse import clean_question, json_objects
from curate.generate.vocabulary import content_stems
from curate.text import normalise
from schemas.errors import SettingsError

PROMPT_FILE = "prompts/questions.md"
ACROSS_FILE = "prompts/questions_across.md"
JUDGE_FILE = "prompts/judge.md"
SETTING = {PROMPT_FILE: "generate.prompt", ACROSS_FILE: "generate.prompt_across", JUDGE_FILE: "verify.judge_prompt"}
"""The setting that names a user's own file."""

FIELDS = {
    PROMPT_FILE: frozenset(
        "title section mark passage count kinds language subject persona examples length difficulty who queries shortest longest".split()
    ),
    ACROSS_FILE: frozenset(
        "title section_1 section_2 mark_1 mark_2 passage_1 passage_2 language persona examples who queries".split()
    ),
    JUDGE_FILE: frozenset("title passages question language".split()),
}
"""What may stand in double braces in the `# user` section of each file."""
_SHARED = frozenset("title language who queries shortest longest".split())
NEEDED = {
    PROMPT_FILE: ("mark", "passage"),
    ACROSS_FILE: ("mark_1", "passage_1", "mark_2", "passage_2"),
    JUDGE_FILE: ("passages", "question"),
}
"""What must stand in its `# user` section: the passages, between marks (those of the judge bring their own)."""

_TELLING = 2
_SECTION = re.compile(r"^# ([a-z_]+(?: [a-z_]+)?)[ \t]*$", re.M)
_FIELD = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Prompt:
    """The sections of a prompt file, the sha256 of all that shapes requests, and the (normalised) questions of its own example."""

    sections: Mapping[str, str] = field(hash=False)
    sha256: str
    example: frozenset[str]
    terms: frozenset[str]
    """Content words of those questions."""

    def is_copied(self, question: str, passage: str) -> bool:
        """Whether a question is the prompt's own example or still speaks of its subject, which the passage does not.

        Small models do that: two content words of the example that the passage lacks tell it.
        """
        if normalise(question) in self.example:
            return True
        return len(content_stems(question) & (self.terms - content_stems(passage))) >= _TELLING

    @property
    def system(self) -> str:
        """The text of the system message."""
        return self.sections["system"]

    def filled(self, section: str, values: Mapping[str, str]) -> str:
        """A section with its fields filled in; a line that holds nothing but a field without a value is left out.

        In one pass: braces that a document brings along are never looked at.
        """
        lines = [
            line
            for line in self.sections.get(section, "").split("\n")
            if not ((match := _FIELD.fullmatch(line.strip())) and not values[match[1]])
        ]
        return _FIELD.sub(lambda match: values[match[1]], "\n".join(lines))


def load_prompt(name: str = PROMPT_FILE, override: str | None = None) -> Prompt:
    """A prompt file of ours, or the user's in its place. Sections that the user's file lacks are taken from ours.

    Raises SettingsError naming what is wrong with the user's file.
    """
    data = files("curate").joinpath(*name.split("/")).read_bytes()
    sections = _sections(data.decode("utf-8"))
    if override is not None:
        own = _own_sections(override, _where(name, override))
        _check(own, sections, name, override)
        sections |= own
        data += b"\0" + repr(sorted(own.items())).encode()
    # Only JSON is an example of an answer; rules in a numbered list would be taken for questions.
    found = (one.get("question") for one in json_objects(sections["system"]))
    example = frozenset(normalise(clean_question(question)) for question in found if isinstance(question, str))
    terms = frozenset(term for question in example for term in content_stems(question))
    return Prompt(sections, sha256(data).hexdigest(), example, terms)


def _sections(text: str) -> dict[str, str]:
    parts = _SECTION.split(text.replace("\r\n", "\n"))
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def _where(name: str, override: str) -> str:
    return f"{SETTING[name]} = {override}"


def _own_sections(override: str, where: str) -> dict[str, str]:
    try:
        return _sections(Path(override).read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the prompt file: {error}", where=where, next_step="name a UTF-8 text file") from error


def _check(own: Mapping[str, str], ours: Mapping[str, str], name: str, override: str) -> None:
    """Raise SettingsError with all that is wrong with the user's sections."""
    faults = []
    if not own.keys() & {"system", "user"}:
        faults.append('no line "# system" or "# user" begins a section')
    for section, text in own.items():
        if section not in ours:
            # What stands below it would never be sent.
            faults.append(f'"# {section}" begins no section of this file (its sections: {", ".join(ours)})')
            continue
        unknown = sorted(set(_FIELD.findall(text)) - _fields(name, section))
        if unknown and section != "system":
            faults.append(f"# {section} has unknown fields {', '.join('{{' + one + '}}' for one in unknown)}")
    if "user" in own:
        faults += [f"# user lacks {{{{{one}}}}}" for one in NEEDED[name] if one not in _FIELD.findall(own["user"])]
    if faults:
        raise SettingsError(
            "; ".join(faults),
            where=_where(name, override),
            next_step=f"start from curate/{name}; fields of its # user are {', '.join(sorted(FIELDS[name]))}",
        )


def _fields(name: str, section: str) -> frozenset[str]:
    """What may stand in double braces in one section: kinds are sent as they are, and no section can hold itself."""
    if section == "user":
        return FIELDS[name]
    if section.startswith("style "):
        return frozenset()
    return FIELDS[name] - {"difficulty"} if section.startswith("difficulty ") else _SHARED
