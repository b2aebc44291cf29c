"""Generates the reference pages from the code: settings, tables, reasons, exit codes, command help."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from curate.stage import Stage
from pipelines.flow import load_flow
from schemas import audit, tables
from schemas.errors import EXIT_CODES
from schemas.prices import LIST_PRICES
from schemas.reasons import REASONS
from schemas.settings import Settings
from schemas.tables import KEYS, TABLES, polars_schema


def settings_toml() -> str:
    """All settings at their defaults as a TOML file with a comment a key; keys without a default are commented out."""
    return "\n".join(_section_lines("", Settings())) + "\n"


def _section_lines(prefix: str, section: BaseModel) -> Iterator[str]:
    nested: list[tuple[str, BaseModel]] = []
    by_name: list[tuple[str, FieldInfo]] = []
    if prefix:
        yield f"\n[{prefix}]  # {_first_line(type(section))}"
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        key = info.alias or name
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, BaseModel):
            nested.append((path, value))
        elif isinstance(value, dict):
            by_name.append((path, info))
        elif value is None:
            yield f"# {key} =   # {info.description}"
        else:
            yield f"{key} = {_toml(value)}  # {info.description}"
    for path, info in by_name:
        yield from _named_lines(path, info)
    for path, value in nested:
        yield from _section_lines(path, value)


def _named_lines(path: str, info: FieldInfo) -> Iterator[str]:
    """A table of sections by name, commented out: it has no entries by default."""
    yield f'\n# [{path}."NAME"]  # {info.description}'
    for key, inner in get_args(info.annotation)[1].model_fields.items():
        yield f"# {key} =   # {inner.description}"


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def settings_page() -> str:
    """docs/settings.md."""
    return (
        "# Settings\n\nGenerated from `schemas/settings/`. Defaults, then a TOML file (`--config`), then `--set key=value`\n(`--set key=` unsets one). "
        "`curate settings > curate.toml` writes this file. Secrets come from environment variables only.\n\n"
        f"```toml\n{settings_toml()}```\n\n"
        "## Built-in prices\n\nUS dollars per million tokens, from `schemas/prices.py`. A model that is not here, nor in `[llm.prices]`, has\n"
        "an unknown price. Set a price of your own where it has changed, or where you pay another:\n"
        "`--set 'llm.prices.\"gpt-4.1-mini\".prompt=0.4'` (quotes around the name, as it has dots).\n\n"
        f"{prices_table()}\n"
    )


def prices_table() -> str:
    """The built-in prices with their dates."""
    lines = [
        f"| {name} | {price.prompt:.2f} | {price.completion:.2f} | {price.batch:.0%} | {price.as_of} |"
        for name, price in LIST_PRICES.items()
    ]
    return "| model | prompt | completion | batch API | as of |\n|---|---|---|---|---|\n" + "\n".join(lines)


def tables_page() -> str:
    """docs/tables.md: every table with its columns, and every reason."""
    writer = {table: stage.name for stage in load_flow() for table in stage.writes}
    parts = ["# Tables and reasons\n\nGenerated from `schemas/tables.py` and `schemas/reasons.py`.\n"]
    for name, model in TABLES.items():
        made = f"Written by `{writer[name]}`. " if name in writer else ""
        key = f"Key: {', '.join(f'`{column}`' for column in KEYS[name])}.\n" if name in KEYS else "\n"
        parts.append(f"## {name}\n\n{_first_line(model)} {made}{key}\n| column | type | meaning |\n|---|---|---|")
        meanings = _attribute_docs(model)
        parts += [f"| {column} | {kind} | {meanings.get(column, '')} |" for column, kind in polars_schema(model).items()]
        parts.append("")
    parts.append("## Reasons\n\nThe closed list. A name says what was wrong.\n\n| reason | meaning |\n|---|---|")
    parts += [f"| {reason.value} | {reason.text} |" for reason in REASONS]
    return "\n".join(parts) + "\n"


def exit_codes_table() -> str:
    """The table of exit codes that the README shows."""
    return "| code | meaning |\n|---|---|\n" + "\n".join(f"| {code} | {text} |" for code, text in EXIT_CODES.items())


def audit_kinds_table() -> str:
    """The table of kinds of findings that docs/audit.md shows."""
    lines = [f"| {group} | `{kind}` | {meaning} |" for kind, (group, meaning) in (audit.KINDS | audit.DATASET_KINDS).items()]
    return "| group | kind | meaning |\n|---|---|---|\n" + "\n".join(lines)


def losses_table() -> str:
    """The table of kinds of rows and their losses that docs/training.md shows."""
    from schemas.plain import KINDS
    from train.losses import LOSSES

    lines = [f"| `{kind}` | {KINDS[kind]} | {', '.join(losses)} |" for kind, losses in LOSSES.items()]
    return "| rows | columns of a plain file | losses, the first unless another is asked for |\n|---|---|---|\n" + "\n".join(
        lines
    )


def train_settings_table() -> str:
    """The settings of `curate train` for embedders that docs/training.md shows."""
    from schemas.training import TrainSettings

    lines = [
        f"| `{name}` | {_shown(field.default)} | {field.description} |" for name, field in TrainSettings.model_fields.items()
    ]
    return "| setting | default | meaning |\n|---|---|---|\n" + "\n".join(lines)


def _shown(value: Any) -> str:
    return "unset" if value is None else f"`{_toml(value)}`"


def flow_table() -> str:
    """The flow table that the README shows, from the stages' own contracts."""
    lines = [_flow_line(stage) for stage in load_flow()]
    return "| stage | reads | writes |\n|---|---|---|\n" + "\n".join(lines)


def _flow_line(stage: Stage) -> str:
    return f"| {stage.name} | {', '.join(stage.reads) or 'the sources'} | {', '.join(stage.writes)} |"


def command_help() -> str:
    """docs/commands.md: the help of every command."""
    import click

    from pipelines.cli import main

    parts = ["# Commands\n\nGenerated from the program's own `--help`.\n"]
    for name in ("", *main.list_commands(click.Context(main))):
        command = main.commands[name] if name else main
        # The names are given, as click keeps those of whichever context asked first.
        context = click.Context(
            command,
            info_name=f"curate {name}".strip(),
            max_content_width=110,
            terminal_width=110,
            help_option_names=main.context_settings["help_option_names"],
        )
        parts.append(f"## curate {name}".rstrip() + f"\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


PAGES = {"settings.md": settings_page, "tables.md": tables_page, "commands.md": command_help}
"""Generated pages of docs/; a test compares each with its file."""

TABLES_IN_PAGES = (
    ("README.md", "flow", flow_table),
    ("README.md", "exit-codes", exit_codes_table),
    ("docs/audit.md", "kinds", audit_kinds_table),
    ("docs/training.md", "losses", losses_table),
    ("docs/training.md", "settings", train_settings_table),
)
"""Generated tables between markers of written pages: page, marker, table."""


def _first_line(model: type) -> str:
    return (inspect.getdoc(model) or "").splitlines()[0]


def _attribute_docs(model: type) -> dict[str, str]:
    """Strings that stand below a field in the class body."""
    tree = ast.parse(inspect.getsource(tables))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model.__name__)
    found: dict[str, str] = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            found[field.target.id] = str(ast.literal_eval(text.value))
    return found


def write_pages(root: Path) -> None:
    """Write the generated pages of docs/ and the generated tables of the others."""
    for name, page in PAGES.items():
        (root / "docs" / name).write_text(page(), encoding="utf-8")
    for name, marker, table in TABLES_IN_PAGES:
        path = root / name
        begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        before, _, rest = path.read_text(encoding="utf-8").partition(begin)
        after = rest.partition(end)[2] if end in rest else rest
        path.write_text(f"{before}{begin}\n{table()}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(__file__).resolve().parents[1])
