"""Prompt files: sections, fields, the user's own in place of ours, and what every request of a build has in common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from curate.generate.brief import brief_of
from curate.generate.prompt import ACROSS_FILE, FIELDS, NEEDED, PROMPT_FILE, load_prompt
from curate.generate.prompted import question_request
from curate.generate.styles import STYLES
from schemas.errors import SettingsError
from schemas.settings import load_settings
from tests.curate.generate_rows import PASSAGE

USER = "# user\nAsk {{count}} of {{mark}}\n{{passage}}\n{{mark}}\n{{persona}}\n"


def user_text(*sets: str) -> str:
    request = question_request(PASSAGE, brief_of(load_settings(None, list(sets))))
    return request.messages[1]["content"]


@pytest.mark.parametrize("name", [PROMPT_FILE, ACROSS_FILE])
def test_our_own_files_hold_what_they_need_and_nothing_unknown(name: str) -> None:
    prompt = load_prompt(name)
    text = prompt.sections["user"]
    assert all(f"{{{{{field}}}}}" in text for field in NEEDED[name])
    filled = prompt.filled("user", dict.fromkeys(FIELDS[name], "x"))
    assert "{{" not in filled
    assert prompt.example


def test_every_kind_has_its_words() -> None:
    sections = load_prompt().sections
    assert [style for style in STYLES if not sections.get(f"style {style}")] == []


def test_lines_of_fields_without_a_value_are_left_out_and_values_are_never_filled_again() -> None:
    prompt = replace(load_prompt(), sections={"user": "{{persona}}\nabout {{passage}}\n  {{examples}}\nend"})
    filled = prompt.filled("user", {"persona": "", "passage": "{{persona}} {{x}}", "examples": "one\ntwo"})
    assert filled == "about {{persona}} {{x}}\n  one\ntwo\nend"


def test_the_users_sections_take_the_place_of_ours_and_change_the_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text("version: mine\n\n" + USER, encoding="utf-8")
    text = user_text(f"generate.prompt={file}")
    mark = f"=== passage {PASSAGE.chunk_id} ==="
    assert text == f"Ask {PASSAGE.bears(4)} different search questions of {mark}\n{PASSAGE.text}\n{mark}"
    own = brief_of(load_settings(None, [f"generate.prompt={file}"])).prompt
    assert own.system == load_prompt().system
    assert own.sha256 != load_prompt().sha256


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot read the prompt file"),
        ("Just ask.", 'no line "# system" or "# user"'),
        ("# user\nAsk about {{passage}}", r"# user lacks \{\{mark\}\}"),
        (USER + "{{chunk}} {{tile}}", r"unknown fields \{\{chunk\}\}, \{\{tile\}\}"),
        (USER + "\n# style keywords\n{{nothing}}", "# style keywords has unknown fields"),
        (USER + "\n# style keywords\nabout {{title}}", "# style keywords has unknown fields"),
        (USER + "\n# persona\n{{who}} reads {{section}}", r"# persona has unknown fields \{\{section\}\}"),
        (USER + "\n# difficulty hard\n{{difficulty}}", "# difficulty hard has unknown fields"),
        (USER + "\n# style howto\nAsk how.", '"# style howto" begins no section'),
        ("# system\nAsk well.\n\n# rules\nNever lie.", '"# rules" begins no section'),
    ],
)
def test_what_is_wrong_with_a_prompt_file_is_said(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "prompt.md"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told) as caught:
        brief_of(load_settings(None, [f"generate.prompt={file}"]))
    assert "generate.prompt = " in str(caught.value)


def test_personas_and_difficulty_are_drawn_for_each_chunk_and_stay_with_it() -> None:
    sets = ['generate.personas=["a nurse on night shift", "a pharmacist"]']
    brief = brief_of(load_settings(None, sets))
    drawn = {brief.persona(f"chunk {number}") for number in range(50)}
    assert drawn == {"a nurse on night shift", "a pharmacist"}
    assert brief.persona("chunk 1") == brief_of(load_settings(None, sets)).persona("chunk 1")
    assert {brief.difficulty(f"chunk {number}") for number in range(50)} == {"", "easy", "hard"}
    assert {brief_of(load_settings(None, ["generate.difficulty=hard"])).difficulty(str(n)) for n in range(9)} == {"hard"}
    text = user_text('generate.personas=["a nurse on night shift"]', "generate.difficulty=hard")
    assert "The person who asks is a nurse on night shift." in text
    assert "Ask in other words than the passage uses" in text
    assert "The person who asks" not in user_text()


def test_the_expected_length_grows_with_the_questions() -> None:
    brief = brief_of(load_settings(None, []))
    assert question_request(replace(PASSAGE, text="kiln"), brief).expected_tokens == 82
    assert question_request(PASSAGE, brief).expected_tokens == 12 + 70 * PASSAGE.bears(4)


def test_every_field_that_a_section_may_hold_is_filled(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    shared = "{{title}} {{language}} {{who}} {{shortest}}"
    file.write_text(
        f"{USER}{{{{difficulty}}}}\n# persona\np {shared}\n# difficulty hard\nd {shared} {{{{subject}}}} {{{{persona}}}}"
    )
    text = user_text(f"generate.prompt={file}", 'generate.personas=["a nurse"]', "generate.difficulty=hard")
    assert "{{" not in text
    assert "\nd Birds English a nurse" in text


def test_rules_of_a_users_prompt_are_not_taken_for_its_example(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    file.write_text('# system\n1. Ask about kiln temperatures in summer?\n2. Answer {"question": "Who bends stray light?"}')
    prompt = brief_of(load_settings(None, [f"generate.prompt={file}"])).prompt
    assert prompt.example == {"who bends stray light"}
    assert not prompt.is_copied("Which kiln temperatures are reached?", "It is hot.")


def test_a_prompt_file_is_read_again_for_each_build(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    shas = []
    for text in ("# system\none", "# system\ntwo"):
        file.write_text(text)
        shas.append(brief_of(load_settings(None, [f"generate.prompt={file}"])).prompt.sha256)
    assert shas[0] != shas[1]
