"""What documentation sites add to Markdown, turned into plain Markdown line by line, outside of code fences."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^(?P<indent>\s*(?:>\s*)*)(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_DROPPED = re.compile(
    r"""^\s*(?:
        \{\*.*\*\}                       # MkDocs include: {* ../../docs_src/app.py hl[1] *}
      | \{!.*!\}                       # the same, older
      | /{3,}                            # end of a block fence
      | :{3,}                            # end of a Docusaurus admonition
      | -+8<-+.*                         # snippet include
      | \[TOC\]|\[\[_?TOC_?\]\]
      | \{:?\s*[#.][^{}]*\}              # attribute list on a line of its own
      | \{%.*%\}                         # template tag
    )\s*$""",
    re.VERBOSE | re.IGNORECASE,
)
_INCLUDED = re.compile(r"\{\*.*\*\}|\{!.*!\}|-+8<-+.*")
_OPENING = re.compile(r"^\s*(?:/{3,}|:{3,})\s*(?P<kind>[A-Za-z][\w-]*)(?P<rest>[^\n]*)$")
_AUTODOC = re.compile(r"^:{3,}\s+[\w.]+\.[\w.]+\s*$")
_INDENTED = re.compile(
    r'^(?P<indent>\s*)(?:(?:!!!|\?\?\?\+?)\s+[A-Za-z][\w -]*|===[!+]?)(?:\s+"(?P<title>(?:[^"\\]|\\.)*)")?\s*$'
)
_MDX = re.compile(r"^(?:import\s.+\sfrom\s+['\"].+['\"]|import\s+['\"].+['\"]|export\s+(?:const|default|function)\b.*);?\s*$")


def plain_markdown(text: str) -> str:
    """The text with admonition fences, tabs, includes and imports taken away; titles that their authors wrote stay as lines."""
    lines: list[str] = []
    fence = ""
    dedents: list[int] = []
    autodoc = False
    for raw in text.split("\n"):
        line, dedents = _dedented(raw, dedents) if not fence else (_cut(raw, dedents), dedents)
        if autodoc and (line.startswith("    ") or not line.strip()):
            continue
        autodoc = False
        match = _FENCE.match(line)
        if match and (not fence or _closes(match, fence)):
            fence = "" if fence else match["mark"]
            lines.append(line)
        elif fence:
            lines += [] if _INCLUDED.fullmatch(line.strip()) else [line]
        elif _AUTODOC.match(line):
            autodoc = True
        elif (block := _INDENTED.match(line)) and line.strip() != "===":
            dedents.append(4 * len(dedents) + len(block["indent"]) + 4)
            lines += ["", block["indent"] + (block["title"] or ""), ""]
        else:
            lines += _line(line)
    return "\n".join(lines)


def _line(line: str) -> list[str]:
    opening = _OPENING.match(line)
    if opening:
        title = opening["rest"].strip().lstrip("|").strip().strip("[]")
        return ["", title, ""]
    if _DROPPED.match(line):
        return [""]
    return [] if _MDX.match(line) else [line]


def _dedented(line: str, dedents: list[int]) -> tuple[str, list[int]]:
    """The line without the indentation of the blocks it stands in; blocks that it leaves are closed."""
    if line.strip():
        indent = len(line) - len(line.lstrip(" "))
        dedents = [depth for depth in dedents if depth <= indent]
    return _cut(line, dedents), dedents


def _cut(line: str, dedents: list[int]) -> str:
    # Each open block indents its content by four spaces.
    depth = 4 * len(dedents)
    return line[depth:] if line[:depth].isspace() else line


def _closes(match: re.Match[str], fence: str) -> bool:
    return match["mark"].startswith(fence) and not match["info"].strip()
