"""Roles and directives that docutils does not know, taught to it so that their text is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives, roles
from docutils.utils import unescape

_NAME = r"(?:(?!_)\w)+(?:[-._+:](?:(?!_)\w)+)*"
_DIRECTIVE = re.compile(rf"^\s*(?:[-*+#\d.]+\s+)*\.\.\s+(?:\|[^|\n]+\|\s+)?({_NAME})\s?::", re.MULTILINE)
_ROLE = re.compile(rf":({_NAME}):`|`:({_NAME}):")
_TARGET = re.compile(r"(?P<text>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)

_VERSIONS = {
    "versionadded": "New in version",
    "versionchanged": "Changed in version",
    "deprecated": "Deprecated since version",
    "versionremoved": "Removed in version",
}
_CODE = frozenset(
    """code-block code sourcecode ipython prompt testcode testsetup testoutput doctest productionlist mermaid graphviz digraph
    parsed-literal-block console highlight-block jsonschema http uml plantuml""".split()
)
_NOTHING = frozenset(
    """toctree index include literalinclude raw highlight currentmodule py:currentmodule module py:module tabularcolumns only-html
    contents sectnum section-numbering header footer automodule autoclass autofunction automethod autodata autoattribute
    autoexception autosummary todolist tableofcontents canonical-doc canonical-pypa-spec canonical-typing-spec date default-role title meta""".split()
)
"""They hold no text of their own, or would read another file."""
_BARE = frozenset("only ifconfig cssclass rst-class hlist tabs tab-set grid glossary".split())
"""Their argument is a condition or a style, no text."""
_PREFIXED = {"pep": "PEP", "rfc": "RFC"}


@contextmanager
def sphinx_taught(source: str) -> Iterator[None]:
    """While it is open, docutils has a fallback for each role and directive of this source that it has no use for.

    The registries belong to docutils and the whole process: they start without what another document defined
    (`.. role::`) and end as they were, so that a file's text does not depend on the files before it.
    """
    known_directives: Any = directives
    known_roles: Any = roles
    saved = dict(known_directives._directives), dict(known_roles._roles)
    known_directives._directives.clear()
    known_roles._roles.clear()
    try:
        for match in _DIRECTIVE.finditer(source):
            _teach_directive(match.group(1).lower(), known_directives._directive_registry)
        for match in _ROLE.finditer(source):
            name = (match.group(1) or match.group(2)).lower()
            if name in _PREFIXED or known_roles._role_registry.get(name) in (None, known_roles.unimplemented_role):
                roles.register_local_role(name, _role)
        yield
    finally:
        for registry, before in zip((known_directives._directives, known_roles._roles), saved, strict=True):
            registry.clear()
            registry.update(before)


def _teach_directive(name: str, registry: Mapping[str, Any]) -> None:
    if name in _NOTHING:
        directives.register_directive(name, _Nothing)
    elif name in _CODE:
        directives.register_directive(name, _Code)
    elif name not in registry:
        directives.register_directive(name, _Kept)


class _Anything(dict[str, Callable[[str | None], str]]):
    """An option list that takes every option."""

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, _: str) -> Callable[[str | None], str]:
        return lambda value: value or ""


class _Kept(Directive):
    """An unknown directive: its argument is a line of text, its content is parsed like the rest."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: Any = _Anything()

    def run(self) -> Sequence[nodes.Node]:
        container = nodes.container()
        argument = "" if self.name in _BARE else " ".join(" ".join(self.arguments).split())
        if self.name in _VERSIONS and argument:
            number, _, rest = argument.partition(" ")
            argument = (
                f"{_VERSIONS[self.name]} {number}: {rest}".strip() if rest or self.content else f"{_VERSIONS[self.name]} {number}"
            )
        if argument:
            text, _ = self.state.inline_text(argument, self.lineno)
            container += nodes.paragraph(argument, "", *text)
        self.state.nested_parse(self.content, self.content_offset, container)
        return container.children


class _Code(_Kept):
    """Code in any language; the argument names the language."""

    def run(self) -> Sequence[nodes.Node]:
        text = "\n".join(self.content)
        if self.name == "productionlist":
            text = "\n".join([*self.arguments, *self.content])
        return [nodes.literal_block(text, text)] if text.strip() else []


class _Nothing(_Kept):
    """No text."""

    def run(self) -> Sequence[nodes.Node]:
        return []


def _role(name: str, rawtext: str, text: str, *_: Any, **__: Any) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """`:func:`x`` is x, `:func:`~a.b.x`` is x, `:ref:`text <target>`` is text, `:pep:`8`` is PEP 8."""
    shown = unescape(text)
    match = _TARGET.fullmatch(shown)
    if match:
        shown = match["text"]
    elif shown.startswith("~"):
        shown = shown[1:].rpartition(".")[2]
    else:
        shown = shown.removeprefix("!")
        prefix = _PREFIXED.get(name.lower())
        shown = f"{prefix} {shown.partition('#')[0]}" if prefix else shown
    return [nodes.inline(rawtext, shown)], []
