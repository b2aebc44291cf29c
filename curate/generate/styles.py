"""The kinds of questions a language model is asked for: how often each, which ones for a chunk, and of which kind a real query is."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from curate.stage import content_id
from curate.text import count_words
from schemas.settings import StyleWeights

ACROSS = "multi_chunk"
STYLES = tuple(name for name in StyleWeights.model_fields if name != ACROSS)
OTHER_STYLE = "question"
"""The style of a question whose model named none of ours: a model may not claim a style that gates treat by name."""
_OTHER_NAMES = {
    "factual": "factoid",
    "fact": "factoid",
    "keyword": "keywords",
    "reason": "natural",
    "why": "natural",
    "howto": "how_to",
}

_LONG = 22
"""Words from which a query tells a situation."""
_KEYWORDS_MOST = 9
_SENTENCES = re.compile(r"[.!。！]\s+\S")
_MARK = re.compile(r"[?？؟]\s*$")
_COMPARES = re.compile(
    r"\b(?:vs\.?|versus|differ(?:s|ences?)?\b|compare[ds]?|comparison|better than|worse than|rather than|or should|instead of)\b",
    re.I,
)
_HOW_TO = re.compile(
    r"^\W*(?:how (?:to|do|does one|can|could|should|would)|ways? to|steps? to)\b"
    r"|\b(?:error|errors|fail(?:s|ed|ing|ure)?|not working|doesn't work|won't|cannot|can't|unable to|fix|troubleshoot\w*|crash(?:es|ed)?)\b",
    re.I,
)
_DEFINES = re.compile(
    r"^\W*(?:what(?:'s| is| are)\s+(?:an?\s+|the\s+)?(?:[\w.-]++\W*+){1,3}$|define\b|definition of|meaning of|what does \S+ mean)",
    re.I,
)
_ONE_ANSWER = re.compile(
    r"^\W*(?:who|whose|when|where|which|how (?:many|much|long|often|far|old|big|large|high)|(?:in|at|on|by|since|for) (?:what|which)|"
    r"what (?:year|date|day|time|number|name|value|type|kind|version|percentage|temperature|is the (?:name|value|default|maximum|minimum|number)))\b",
    re.I,
)  # fmt: skip
_ASKS = re.compile(
    r"^\W*(?:what|which|who|whom|whose|where|when|why|how|is|are|was|were|do|does|did|can|could|should|would|will|has|have|must|may)\b",
    re.I,
)
_WORDINGS = (("comparison", _COMPARES), ("definition", _DEFINES), ("how_to", _HOW_TO), ("factoid", _ONE_ANSWER))


def named_style(name: str) -> str:
    """The style that a model's own word for it stands for; `OTHER_STYLE` when it is none of ours."""
    name = name.strip().lower().replace("-", "_").replace(" ", "_")
    name = _OTHER_NAMES.get(name, name)
    return name if name in STYLES else OTHER_STYLE


def style_of(query: str) -> str:
    """The kind of a real query, by its surface. English is known by its wording; other languages by mark and length alone."""
    text = " ".join(query.split())
    count = count_words(text)
    if count >= _LONG or (count >= 8 and _SENTENCES.search(text)):
        return "situational"
    named = next((style for style, pattern in _WORDINGS if pattern.search(text)), None)
    if named is not None:
        return named
    is_query = not _MARK.search(text) and not _ASKS.search(text) and count <= _KEYWORDS_MOST
    return "keywords" if is_query else "natural"


def mix_of(queries: Iterable[str]) -> dict[str, float]:
    """Share of each kind among real queries, in the order of `STYLES`; kinds that do not occur are left out."""
    counts = Counter(style_of(query) for query in queries)
    total = sum(counts.values())
    return {style: counts[style] / total for style in STYLES if counts[style]}


def weights_of(weights: StyleWeights) -> dict[str, float]:
    """The weights above 0 of kinds that one chunk can answer."""
    return {style: value for style in STYLES if (value := float(getattr(weights, style))) > 0}


def drawn(mix: Mapping[str, float], count: int, seed: int, chunk_id: str) -> list[str]:
    """`count` kinds for a chunk, different ones as long as there are, drawn by weight.

    A weighted sample without replacement (Efraimidis and Spirakis 2006): the smallest -log(u) / weight come first. `u` is made of the
    seed and the chunk's id, so a chunk keeps its kinds whatever is added.
    """
    order = sorted(mix, key=lambda style: (-math.log(uniform(seed, chunk_id, style)) / mix[style], style))
    return [order[at % len(order)] for at in range(count)]


def uniform(seed: int, *parts: str) -> float:
    """A number above 0 and at most 1 that looks random and depends on seed and parts alone."""
    return (int(content_id(str(seed), *parts), 16) + 1) / 2**64
