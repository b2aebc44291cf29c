"""Public facts are true: generated pages match their files, the README's tables and commands match the program."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.reference import PAGES, TABLES_IN_PAGES, settings_toml
from schemas.errors import EXIT_CODES, CurateError
from schemas.evaluation import EvaluateSettings, VerdictSettings
from schemas.reasons import REASONS
from schemas.settings import Settings, StyleWeights, load_settings
from schemas.training import CheckerSettings, TrainSettings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "run `python -m pipelines.reference`"


def test_the_settings_file_loads_to_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "curate.toml"
    path.write_text(settings_toml(), encoding="utf-8")
    assert load_settings(path) == Settings()
    assert len(tomllib.loads(settings_toml())) >= len(Settings.model_fields) - 1


@pytest.mark.parametrize(("page", "marker", "table"), TABLES_IN_PAGES)
def test_pages_have_their_generated_tables(page: str, marker: str, table: object) -> None:
    assert callable(table)
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"<!-- {marker} -->\n{table()}\n<!-- /{marker} -->" in text, "run `python -m pipelines.reference`"


def test_every_error_class_has_a_documented_exit_code() -> None:
    def codes(kind: type[CurateError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(child) for child in kind.__subclasses__()))

    assert codes(CurateError) | {0} == set(EXIT_CODES)


def commands_in(text: str) -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("#")[0].split("&&")]
    return [line.split() for line in lines if line.startswith("curate ")]


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/quickstart.md",
        "docs/llm.md",
        "docs/questions.md",
        "docs/gates.md",
        "docs/audit.md",
        "docs/dataset.md",
        "docs/mining.md",
        "docs/evaluation.md",
        "docs/training.md",
        "docs/recipes.md",
        "docs/report.md",
    ],
)
def test_every_command_and_option_in_the_docs_exists(page: str) -> None:
    found = commands_in((ROOT / page).read_text(encoding="utf-8"))
    assert found
    for _, name, *words in found:
        command = main.commands[name]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, name


def test_every_setting_named_in_the_docs_exists() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for key in re.findall(r"--set (?!key=)([a-z_.]+)=", page.read_text(encoding="utf-8")):
            if "." not in key and any(
                key in section.model_fields for section in (TrainSettings, CheckerSettings, EvaluateSettings)
            ):
                continue
            if key.startswith("verdict."):
                assert key.removeprefix("verdict.") in VerdictSettings.model_fields, key
                continue
            assert key.split(".")[0] in Settings.model_fields, key
            Settings().section(key)  # raises AttributeError on an unknown key


def test_every_command_has_a_documented_purpose_and_help_for_each_option() -> None:
    for name in main.list_commands(click.Context(main)):
        command = main.commands[name]
        assert command.help, name
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (name, parameter.name)
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_manual_of_questions_names_every_kind_with_its_weight() -> None:
    text = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    table = {name: float(weight) for name, weight in re.findall(r"^\| `(\w+)` \| [^|]+ \| (\d+) \|$", text, re.M)}
    assert table == StyleWeights().model_dump()
    named = set(re.findall(r"`(answer_\w+|question_\w+)`", text))
    assert named <= {str(reason) for reason in REASONS}


def test_the_manual_of_mining_names_real_reasons_and_the_defaults() -> None:
    text = (ROOT / "docs" / "mining.md").read_text(encoding="utf-8")
    mine = Settings().mine
    assert set(re.findall(r"`(negative_\w+)`", text)) == {
        str(reason) for reason in REASONS if str(reason).startswith("negative_")
    } - {"negative_without_words", "negative_answers"}
    assert set(re.findall(r"`mine\.(\w+)", text)) <= set(type(mine).model_fields)
    for name in ("first_rank", "last_rank", "min_promote_score"):
        assert f"`{name}` ({getattr(mine, name)})" in text
    assert f"`relative_margin` (default {mine.relative_margin})" in text
    assert f"`{mine.engine}` (default)" in text


def test_every_setting_of_evaluation_is_in_its_manual() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert [name for name in EvaluateSettings.model_fields if f"`{name}`" not in page] == []
