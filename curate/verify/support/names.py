"""Names that a question or its answer holds and the passage does not: capitals inside a sentence, acronyms, identifiers, options, paths."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from curate.text import STOPWORDS
from curate.verify.quotes import stemmer

_TITLES = frozenset("mr mrs ms miss dr prof sir lord lady st saint jr sr inc ltd co corp great".split())
_PEOPLES = """france french frenchman|spain spanish spaniard|poland polish pole|turkey turkish turk|sweden swedish swede|britain british uk|greece greek
|netherlands dutch holland|denmark danish dane|ireland irish|wales welsh|scotland scottish scots|england english englishman|norway norwegian
|switzerland swiss|finland finnish|portugal portuguese|us usa america american|un nations|eu european europe|ussr soviet|peru peruvian|rome roman
|christianity christian christ|islam islamic muslim|jewish jew judaism jews|thailand thai|philippines filipino|tv television|nyc york|wwii war wars|wwi war wars"""
_KIN = {word: frozenset(group.split()) for group in _PEOPLES.replace("\n", "").split("|") for word in group.split()}
_GERMAN = frozenset(
    "der die das und ist nicht ein eine einen mit von zu den dem des im auf für wie wer wo welche welcher welches werden wird".split()
)
_ENGLISH = frozenset("the of and to in is a what how does for which".split())

_ARTICLES = ("The", "A", "An")
_TOKEN = re.compile(r"(?:[^\s,;!?\"“”„«»…—–()\[\]{}=<>|\u0e00-\u0eff\u3000-\u30ff\u3400-\u9fff\uff00-\uff0f]|\(\))+")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_EDGES = "'’‘`*.:\\+&#"
_JOINTS = re.compile(r"[.:/\\()\[\]{}=,<>\"'`@&|?#~+*$%]+")
_OPENS = re.compile(r"(?:^|[.?!:;\n•]|[\"“„«‘])[\s*#>()\-\[\]`'\"“]*$|\n\s*$")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Jr|vs|No|Mt|Gen|Col|Lt|Sgt|Rev)|\b[A-Z])\.\s*$")
_ALL_CAPITALS = re.compile(r"[A-Z][\w'’.-]+(?: (?:of|the|and|de|von))*(?: [A-Z][\w'’.-]+(?: (?:of|the|and|de|von))*)+\W*")
_INITIALS = re.compile(r"\s+(?:[A-Z]\.\s*)*")
_ANSWERED = re.compile(r"\?\s|\n")
_LONGEST_TITLE = 80
_DECLARED = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Name:
    """A name as it stands in a text."""

    text: str
    start: int
    end: int
    identifier: bool


@dataclass(frozen=True)
class Known:
    """What a passage gives to compare with."""

    words: frozenset[str]
    stems: frozenset[str]
    joined: str
    """All letters and digits of the passage, folded, without anything between them."""
    initials: tuple[str, str]
    """First letters of all words, and of all but function words; capitals are kept."""
    by_letter: dict[str, list[str]]


def unsupported_names(said: str, passage: str) -> list[str]:
    """Names of `said` (question and answer) that `passage` (with its headings) does not hold, as written and in order, each once.

    Names are words with a capital inside a sentence, acronyms, CamelCase, `code`, identifiers with dots or underscores, --options and paths.
    One stands in the passage in any case, without accents, plural or possessive, with or without hyphens, as part of a compound, spelt one letter
    apart, or as an acronym for words that stand there (and the other way round). Words with a capital count as names neither at the
    beginning of a sentence or quotation, nor in Title Case, nor where German is written; scripts without capitals have identifiers alone.

    Cost: about 0.3 ms a question, and as much once a passage. Failure modes. Kills: what every reader knows and the passage takes for granted
    (its "Python" in a page of Python's manual, "Europe" for its "Germany"), more so when the passage comes without its headings.
    Passes: a name that stands in the passage in another part, one-word answers and other single names that open a sentence
    (`answer_overlap` sees these), names in lower case. Of 5,033 human questions with answers (SQuAD v1) 1.8% are flagged with the title before the
    passage, 2.8% without; of those with another article's name in the question 97%, in the answer 60%.
    """
    known = _known(passage)
    found = list(_names(said, not _is_german(said) and not _is_german(passage)))
    missing = [name for i, name in enumerate(found) if not _held(name, known) and not _abbreviated(found, i, said, known)]
    return list(dict.fromkeys(_joined(missing, said)))


def _names(said: str, by_capitals: bool) -> Iterator[Name]:
    declared = [match.span(1) for match in _DECLARED.finditer(said)]
    shouted = _is_shouted(said)
    by_capitals = by_capitals and not _is_title_case(said)
    for match in _TOKEN.finditer(said):
        text = _trimmed(match.group())
        if len(text) < 2 or text[0].isdigit() or not any(c.isalpha() for c in text):
            continue
        start = match.start() + match.group().find(text)
        if _is_identifier(text) or any(a <= start < b for a, b in declared) or (_is_acronym(text) and not shouted):
            yield Name(text, start, start + len(text), True)
        elif (
            by_capitals
            and text[0].isupper()
            and not _is_acronym(text)
            and _folded(text) not in STOPWORDS
            and not _opens(said, start)
        ):
            yield Name(text, start, start + len(text), False)


def _trimmed(token: str) -> str:
    """Without the marks around it and a possessive; a leading dash or slash and a closing () belong to it."""
    text = token.strip(_EDGES).rstrip("-/")
    return re.sub(r"['’]s?$", "", text)


def _is_identifier(text: str) -> bool:
    bare = text.removesuffix("()")
    if text.endswith("()") or bare.startswith(("--", "/", "./", "~/", "@")) or "_" in bare or "::" in bare:
        return len(bare.strip("-/@_.")) > 1
    if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]?", bare):
        return False
    return bool(re.search(r"[a-z][A-Z]|\w\.\w|[^\W\d_]-?\d", bare)) and bare.isascii()


def _is_acronym(text: str) -> bool:
    letters = text.replace(".", "").removesuffix("s").replace("-", "").replace("/", "")
    return len(letters) > 1 and letters.isalpha() and letters.isupper()


def _opens(said: str, start: int) -> bool:
    """Whether a sentence, a line, a list item or a quotation begins here: a capital says nothing there, except in "… ? Butler University"."""
    if (
        len(said) - start < _LONGEST_TITLE
        and _ANSWERED.search(said, max(0, start - 24), start)
        and _ALL_CAPITALS.fullmatch(said, start)
    ):
        return False
    before = said[max(0, start - 24) : start]
    return _OPENS.search(before if start > 24 else f"\n{before}") is not None and _ABBREVIATION.search(before) is None


def _is_title_case(said: str) -> bool:
    """ "What Is the Capital of France", "Python Async Generator Cleanup": capitals that name nothing."""
    plain = list(re.finditer(r"(?<=\s)[^\W\d_][^\s]*", said))
    for match in plain:
        word = match.group()
        if (
            word.istitle()
            and len(word) > 1
            and word.lower() in STOPWORDS
            and word not in _ARTICLES
            and not _opens(said, match.start())
        ):
            return True
    content = [match.group() for match in plain if match.group().lower().strip("?.,") not in STOPWORDS]
    return len(content) >= 3 and "?" not in said and all(word[0].isupper() for word in content)


def _is_shouted(said: str) -> bool:
    found = re.findall(r"[^\W\d_]{2,}", said)
    return 2 * sum(1 for word in found if word.isupper()) > len(found) and len(found) > 2


def _held(name: Name, known: Known) -> bool:
    if name.identifier:
        return _identifier_held(name.text, known)
    parts = [_folded(part) for part in re.split(r"[-/.:&'’]", name.text)]
    return (
        all(part in _TITLES or _word_held(part, known) for part in parts if len(part) > 1) or _squeezed(name.text) in known.words
    )


def _identifier_held(text: str, known: Known) -> bool:
    letters = text.replace(".", "").replace("-", "").replace("/", "")
    if _is_acronym(text):
        bare = letters.removesuffix("s")
        if _spelled_out(bare, known) or _folded(bare) in known.words or known.words & _KIN.get(_folded(bare), frozenset()):
            return True
    return all(_part_held(part, known) for part in _JOINTS.split(text) if any(c.isalpha() for c in part))


def _part_held(part: str, known: Known) -> bool:
    bare = _squeezed(part)
    if bare in known.words or (len(bare) > 4 and (bare in known.joined or bare.removesuffix("s") in known.joined)):
        return True
    return bare.removesuffix("s") in known.words or (not bare.isdigit() and stemmer()(bare) in known.stems)


def _word_held(word: str, known: Known) -> bool:
    if word in known.words or stemmer()(word) in known.stems or known.words & _KIN.get(word, frozenset()):
        return True
    if len(word) < 4:
        return False
    return any(_alike(word, other) for other in known.by_letter.get(word[0], ()))


def _alike(a: str, b: str) -> bool:
    """ "Germany" and "German", "Khan" and "Khans", "Niccolo" and "Nicolo"; not "Austria" and "Australia"."""
    shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    shortest = min(len(a), len(b))
    if shortest >= 4 and shared >= max(4, shortest - 1) and len(a) != len(b):
        return True
    if shortest < 6 or abs(len(a) - len(b)) > 1:
        return False
    end = next((i for i, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), shortest)
    return shared + end >= max(len(a), len(b)) - 1


def _spelled_out(acronym: str, known: Known) -> bool:
    if len(acronym) == 2:
        return any(acronym in initials for initials in known.initials)
    return any(acronym.lower() in initials.lower() for initials in known.initials)


def _abbreviated(found: list[Name], i: int, said: str, known: Known) -> bool:
    """Whether the passage has the capitals of the run of names around this one: NBC for "National Broadcasting Company"."""
    first = last = i
    while first > 0 and _adjoin(found[first - 1], found[first], said):
        first -= 1
    while last + 1 < len(found) and _adjoin(found[last], found[last + 1], said):
        last += 1
    words = re.findall(r"[^\W\d_]+", said[found[first].start : found[last].end])
    letters = "".join(word[0] for word in words if word[0].isupper()).lower()
    return len(letters) > 1 and letters in known.words


def _adjoin(a: Name, b: Name, said: str) -> bool:
    return re.fullmatch(r"['’s]*\s+(?:(?:of|for|the|and|de|von|van|der)\s+){0,2}", said[a.end : b.start]) is not None


def _joined(missing: list[Name], said: str) -> Iterator[str]:
    """Names side by side are one name."""
    run: list[Name] = []
    for name in missing:
        if run and (name.identifier or not _INITIALS.fullmatch(said[run[-1].end : name.start])):
            yield said[run[0].start : run[-1].end]
            run = []
        run.append(name)
    if run:
        yield said[run[0].start : run[-1].end]


# The questions of a chunk come one after the other.
@lru_cache(maxsize=16)
def _known(passage: str) -> Known:
    plain = unicodedata.normalize("NFKC", passage)
    found = _WORD.findall(plain)
    folded = [_folded(word) for word in found]
    words = set(folded)
    words.update(_folded(part) for word in found for part in _CAMEL.findall(word))
    words.update(bare for token in plain.split() for piece in _JOINTS.split(token) if (bare := _squeezed(piece)))
    words.update(_squeezed(token) for token in re.findall(r"(?:[^\W\d_]\.){2,}|\b[A-Z]\w{0,2}[ _]\d+\b", plain))
    stem = stemmer()
    by_letter: dict[str, list[str]] = {}
    for word in sorted(words):
        by_letter.setdefault(word[0], []).append(word)
    content = "".join(word[0] for word in found if word.casefold() not in STOPWORDS)
    initials = ("".join(word[0] for word in found), content)
    return Known(frozenset(words), frozenset(stem(word) for word in words), "".join(folded), initials, by_letter)


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """Case-folded, without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _squeezed(text: str) -> str:
    return "".join(c for c in _folded(text) if c.isalnum())


def _is_german(text: str) -> bool:
    """In German every noun has a capital."""
    found = re.findall(r"[^\W\d_]+", text[:2000].lower())
    return sum(word in _GERMAN for word in found) > sum(word in _ENGLISH for word in found)
