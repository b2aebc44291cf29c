"""Style `definition`: "What is X?" from a sentence that says what X is, with that sentence as answer and evidence."""

from __future__ import annotations

import re

from curate.generate.passage import Candidate, Passage, stands_in
from curate.generate.sentences import Sentence
from curate.generate.vocabulary import WEAK_WORDS
from curate.text import STOPWORDS, count_words, normalise, words

_WORD = r"[^\W_][\w'’&/+.-]*"
_NAME = rf"{_WORD}(?:\s+{_WORD}){{0,5}}"
_BRACKETS = r"(?:\s*\([^()]{1,60}\))?"
_IS_A = re.compile(
    rf"^(?P<article>(?:An?|The)\s+)?[\"“'‘]?(?P<name>{_NAME})[\"”'’]?{_BRACKETS}(?:,)?\s+(?P<verb>is|are)\s+(?P<what>(?:an?|one of(?: the)?|any|the (?:\w+ ){{0,2}}(?:process|practice|"
    r"study|act|ability|set|name|term|part|number|amount|method|art|science|use|branch|field|state|property|most|largest|smallest|main|first|second|"
    r"highest|oldest|capital|collection|official|standard|ratio|force|point|region|area|unit))\s+.+)$"
)
_ARE = re.compile(
    rf"^[\"“'‘]?(?P<name>{_NAME})[\"”'’]?{_BRACKETS}\s+are\s+(?P<what>(?:(?!also|still|now|often|only|important|concerned|members?|visible|parts?)[a-z-]+\s+)?"
    r"(?!members|parts|examples|ways|reasons|times)[a-z-]+s\s+(?:that|which|who|whose|used|of|for|in which|in the|in|with)\s+.+)$"
)
_MEANS = re.compile(
    rf"^(?P<article>(?:An?|The)\s+)?(?:term\s+)?[\"“'‘]?(?P<name>{_NAME})[\"”'’]?{_BRACKETS}\s+(?P<verb>refers to|means|denotes|stands for|is defined as|"
    r"are defined as|is short for|consists of|refer to)\s+(?P<what>.+)$"
)
_GLOSSARY = re.compile(
    rf"^[\"“*`]*(?P<name>{_NAME})[\"”*`]*{_BRACKETS}\s*(?::|\s[–—-]{{1,2}})\s+(?P<what>(?:[Aa]n?|[Tt]he)\s+.+)$"
)
_CHINESE = re.compile(
    r"^[“「《]?(?P<name>[^\s，。、；：！？,.;:!?“”「」《》（）()的]{2,12})[”」》]?(?:[（(][^）)]{1,40}[）)])?(?:，)?(?:是(?:指|一种|一个|一类|一项|一门|一套|一款|一座|一条|一位|由|在)|指的是|是指|"
    r"是[^，。？！]{2,30}的)"
)
_JAPANESE = re.compile(r"^[「『]?(?P<name>[^\s、。，！？「」『』（）()]{2,20}?)[」』]?(?:[（(][^）)]{1,40}[）)])?とは、?.{6,}")
_PERSON = re.compile(
    r"^(?:an?|the|one of the)\s+(?:[\w-]+\s+){0,6}?(?:actor|actress|artist|architect|author|ballerina|chemist|composer|dancer|director|doctor|engineer|historian|journalist|king|lawyer|"
    r"mathematician|musician|novelist|painter|philosopher|physicist|player|poet|politician|president|professor|queen|scientist|singer|soldier|writer)\b"
)
_LOOSE = re.compile(
    r"^(?:a|an|the)\s+(?:good|great|bad|nice|common|simple|similar|few|bit|little|lot|must|problem|reason|result|way to|second|first|list|example)\b",
    re.I,
)
_NOT_IN_NAMES = frozenset(
    """is are was were be been has have had do does did can could will would shall should may might must this that these those it its he she they we you i
    there here what which who whom whose when where why how if because while since although though but not no nor so than then as by with from into such
    another other each every all any some most many few several both either neither his her their our your my and or one two three four five six seven eight nine ten only also often usually
    sometimes always never still just even now today currently however therefore like unlike without within whether up out about more less very""".split()
)
_HOLLOW = frozenset(
    """advantage aim alternative answer approach benefit case difference disadvantage drawback effect example exception fact first following goal idea
    issue key last latter former limitation main one option point problem purpose question reason result rest second solution step thing third time
    type value way author paper study rule thing things note here""".split()
)
_LEAST_ANSWER_WORDS = 8


def definition_candidate(passage: Passage, found: list[Sentence]) -> Candidate | None:
    """The first sentence of the passage that defines something by name, as a question; None when there is none."""
    normalised = normalise(passage.passage)
    for sentence in found:
        question = definition_question(sentence.text, passage)
        if question is not None:
            answer = sentence.text
            return Candidate(question, "definition", stands_in(question, normalised), answer, answer)
    return None


def definition_question(sentence: str, passage: Passage) -> str | None:
    """The question that this sentence answers, or None when it defines nothing."""
    if sentence.endswith(("?", "？", ":", "：")):
        return None
    if passage.language == "zh":
        match = _CHINESE.match(sentence)
        return f"什么是{match['name']}？" if match and _is_unspaced_name(match["name"]) else None
    if passage.language == "ja":
        match = _JAPANESE.match(sentence)
        return f"{match['name']}とは何ですか？" if match and _is_unspaced_name(match["name"]) else None
    if passage.language != "en" or count_words(sentence) < _LEAST_ANSWER_WORDS:
        return None
    return _english(sentence, passage)


def _english(sentence: str, passage: Passage) -> str | None:
    for pattern in (_IS_A, _ARE, _MEANS, _GLOSSARY):
        match = pattern.match(sentence)
        if match is None:
            continue
        groups = match.groupdict()
        article = (groups.get("article") or "").strip().lower()
        name = match["name"]
        if not is_clean_name(name) or _LOOSE.match(match["what"]):
            return None
        if (article == "the" or not (article or _has_shape(name))) and not _is_subject(name, passage):
            return None
        name = _lower_first(name, passage, bool(article))
        plural = pattern is _ARE or groups.get("verb") in ("are", "are defined as", "refer to")
        plural = plural or (pattern is _GLOSSARY and re.search(r"[^sui]s$", name) is not None and not name.isupper())
        if _PERSON.match(match["what"]) and not article and not plural:
            return f"Who is {name}?"
        if groups.get("verb") in ("means", "stands for", "is short for"):
            return f"What does {_joined(article, name)} {'mean' if groups['verb'] == 'means' else 'stand for'}?"
        return f"What {'are' if plural else 'is'} {_joined(article, name)}?"
    return None


def is_clean_name(name: str) -> bool:
    """A noun phrase of one to five words: no pronoun, verb or hollow word ("reason", "result"), nothing that looks like code."""
    found = name.split()
    lowered = [word.lower().strip("'’.,") for word in found]
    if not 1 <= len(found) <= 5 or any(word in _NOT_IN_NAMES for word in lowered):
        return False
    if lowered[0] in STOPWORDS or lowered[-1] in STOPWORDS or lowered[-1] in _HOLLOW or lowered[0] in _HOLLOW:
        return False
    # "Reducing code duplication is a core idea" says nothing of what that is.
    if (
        lowered[0].endswith("ly")
        or (len(found) > 2 and lowered[0].endswith("ing"))
        or any(re.search(r"[_/+]|\w\.\w", word) for word in found)
    ):
        return False
    own = [word for word in lowered if word not in STOPWORDS and word not in WEAK_WORDS and any(c.isalpha() for c in word)]
    return bool(own) and len(name) >= 2


def _has_shape(name: str) -> bool:
    """Whether it looks like a name by itself: a capital, or more than one word."""
    return " " in name or not name.islower()


def _is_subject(name: str, passage: Passage) -> bool:
    """Whether "The X is a …" defines X here: the headings name it, or it is a proper name of several words."""
    if len(name.split()) > 1 and any(word[:1].isupper() for word in name.split()):
        return True
    own = words(name)
    if len(own) == 1:
        return any(words(part) == own for part in passage.heading_path)
    return set(own) <= {word for part in passage.heading_path for word in words(part)}


def _lower_first(name: str, passage: Passage, after_article: bool) -> str:
    """The name as it stands inside a sentence: "Dependency injection" loses its capital where the passage also writes it small."""
    first, _, rest = name.partition(" ")
    if (
        not rest
        or after_article
        or not first[:1].isupper()
        or not first[1:].islower()
        or any(word[:1].isupper() for word in rest.split())
    ):
        return name
    small = first[0].lower() + first[1:]
    return f"{small}{name[len(first) :]}" if re.search(rf"(?<!\w){re.escape(small)}(?!\w)", passage.text) else name


def _joined(article: str, name: str) -> str:
    return f"{article} {name}" if article else name


def _is_unspaced_name(name: str) -> bool:
    return re.match(
        r"这|那|此|该|其|它|他|她|我|你|上|下|因|但|而|也|就|都|目|如|主|它们|これ|それ|あれ|この|その|ここ|彼|私|以|次", name
    ) is None and bool(words(name))
