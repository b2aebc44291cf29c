"""Style `heading`: the headings over a passage as a query, where they lead to this passage and no other."""

from __future__ import annotations

import re

from curate.generate.passage import Candidate, Passage, one_line, stands_in
from curate.text import count_words, normalise, words

_LEAST_WORDS = 3
_NUMBERING = re.compile(
    r"^(?:(?i:chapter|section|part|appendix|step|lesson)\s+(?:[\dIVXLC]+|[A-Z])\s*[:.–—-]+\s*|(?:\d+|[A-Z])(?:\.\d+)+\.?\s+|\d+[.):]\s+"
    r"|\(?[ivxlcIVXLC]{1,5}[.)]\s+|[A-Z][.)]\s+|第[\d一二三四五六七八九十百]+[章节節部回]\s*|§+\s*[\d.]*\s*)",
)
_SYMBOLS = re.compile(r"[`*#¶§†‡✓✔☑→⇒»«|\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]+")
GENERIC = frozenset(
    """abstract acknowledgements acknowledgments advanced alternatives appendix arguments attributes background basics before benefits bibliography breaking bugs
    caveats changelog changes classes comments compatibility conclusion conclusions configuration contents copyright credits customization default defaults
    definition definitions demo description design details directives discussion documentation download error errors example examples exceptions faq
    features final fixes footnotes functions future further general getting goals guide help history home how howto implementation index info information internal
    installation installing interface introduction issues it items license limitations links list main methods miscellaneous more motivation next non-goals
    note notes open options other others output overview parameters performance philosophy problem process properties proposal purpose quickstart quick
    rationale reading recap refactors reference references related release releases rejected remarks requirements resources result results return returns review run running
    security see settings setup solution solutions source specification specifications start started status step steps structure summary support
    syntax table terminology test testing tests the tip tips todo topics translations troubleshooting try tutorial types update updates upgrade upgrades user usage use using
    value variables version warning warnings what why work 简介 介绍 概述 示例 例子 说明 总结 参考 背景 用法 はじめに 概要 例 まとめ 参考 使い方 背景 注意""".split()
)
"""Words that name a kind of section, not a subject."""
_ALSO_GENERIC = frozenset(
    words(
        "a an and about all for in is of on this that to with you your ideas information issues topic other started steps step up also"
    )
)


_LIST = (
    r"(?:see also|references|external links|(?:further|suggested|recommended) reading|related (?:\w+ )?(?:topics|pages|articles|links|documents|reading)"
    r"|(?:table of )?contents|bibliography|footnotes|acknowledge?ments|copyright(?: notice)?|参考文献|参考资料|相关链接|另请参阅|另见|目录|関連項目|外部リンク|目次|脚注)"
)
_ELSEWHERE = re.compile(rf"{_LIST}(?:(?:,? and |, | & |/){_LIST})*", re.I)
"""Headings of sections that list what is elsewhere, or who made the page: nobody asks for them, and their passages answer nothing."""

_POINTING = frozenset(words("this it that these those they its their here"))


def heading_candidate(passage: Passage, *, verbatim_allowed: bool) -> Candidate | None:
    """The headings as a query; for dev and test only in words that do not stand in the passage one after the other."""
    path = [cleaned for part in passage.heading_path if (cleaned := clean_heading(part))]
    if not path or not passage.begins_section or passage.path_sections > 1 or _ELSEWHERE.fullmatch(path[-1]):
        return None
    normalised = normalise(passage.passage)
    queries = [query for query in _queries(path, passage.heading_sections > 1) if _is_query(query)]
    if verbatim_allowed and queries:
        return Candidate(queries[0], "heading", stands_in(queries[0], normalised))
    return next((Candidate(query, "heading", verbatim=False) for query in queries if not stands_in(query, normalised)), None)


def clean_heading(heading: str) -> str:
    """The heading without numbering, symbols and a colon at its end."""
    text = one_line(_SYMBOLS.sub(" ", heading))
    return _NUMBERING.sub("", text, count=1).strip(" :：.·–—-").strip()


def is_generic(heading: str) -> bool:
    """Whether it names a kind of section ("Example", "See also") and not a subject."""
    found = words(heading)
    return "".join(found) in GENERIC or all(
        word in GENERIC or word in _ALSO_GENERIC or not any(c.isalpha() for c in word) for word in found
    )


def _queries(path: list[str], shared: bool) -> list[str]:
    """The last heading, with as many of its parents as it needs to name a subject; then with the last heading first."""
    needed = [path[-1]]
    shared = shared or bool(_POINTING & set(words(path[-1])))
    for parent in reversed(path[:-1]):
        alone = len(needed) == 1
        if not (is_generic(needed[0]) or (shared and alone) or (alone and count_words(needed[0]) < _LEAST_WORDS)):
            break
        needed = [parent, *needed]
    if is_generic(needed[0]) or (shared and len(needed) == 1):
        return []
    queries = [" ".join(_without_repeats(needed))]
    subject = next((part for part in reversed(path[:-1]) if not is_generic(part)), None)
    if subject is not None:
        queries.append(" ".join(_without_repeats([path[-1], subject])))
    return queries


def _without_repeats(parts: list[str]) -> list[str]:
    """Parts whose words do not all stand in another part already."""
    kept: list[str] = []
    for at, part in enumerate(parts):
        own = set(words(part))
        if not any(own <= set(words(other)) for other in parts[at + 1 :] + kept):
            kept.append(part)
    return kept


def _is_query(text: str) -> bool:
    """Long enough to say what is sought, short enough to be typed."""
    count = count_words(text)
    letters = sum(character.isalpha() for character in text)
    return _LEAST_WORDS <= count <= 16 and 2 * letters >= len(text) and "://" not in text
