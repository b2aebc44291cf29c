"""Styles `sentence` and `question_in_text`: sentences of the passage that can stand alone as a query."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from curate.generate.frequencies import Frequencies
from curate.generate.passage import Candidate, Passage, one_line, stands_in
from curate.generate.vocabulary import WEAK_WORDS, stem, terms_of
from curate.stage import content_id
from curate.text import STOPWORDS, count_words, is_unspaced, normalise, sentence_spans, words

_MARKER = re.compile(r"^(?:[-*•–+]\s+|\(?\d{1,3}[.)]\s+|\(?[a-zA-Z][.)]\s+|>+\s*|#{1,6}\s+|[!?]{3}\s+)+")
# A letter only where it stands at the word, as footnotes do: "the [F] flag" is about F.
_REFERENCE = re.compile(r"(?<=[^\s\[])(?:\s*\[(?:\d{1,3}|note \d+|citation needed)\]|\[(?-i:[a-z])\])(?:_)?", re.I)
_END = re.compile(r"[.!。！．…][\"'”’»」』)\]]*$")
_ASKS = re.compile(r"[?？؟][\"'”’»」』)\]]*$")
_CODE = re.compile(
    r"https?://|www\.|\S+@\S+\.\w|[{}<>=;|\\]|::|->|\w\(\)|^\s*[$>]\s|\w\([^)\s]*\)|^\s*(?:import|from|def|class|return|pip|sudo|git)\s+\w"
    r"|(?<!\w)--?\w[\w-]*|[\w.]*\w[_/]\w+[_/]|\[\w*\]|(?:^|\s)[@#%]\w"
)
_NUMERIC = re.compile(r"^[\d.,:%/–-]+$")

# Words that, first in a sentence, point at what was said before it.
_UNRESOLVED = frozenset(
    """this that these those it its they them their he she his her him such here there then thus therefore hence however but and or so nor yet also
    moreover furthermore additionally besides consequently accordingly otherwise instead meanwhile nevertheless nonetheless similarly likewise conversely
    finally lastly again now both another other others neither either once afterwards later earlier first firstly second secondly third next last yes no ok
    okay well note notice remember let let's lets see i'm i'll we'll you'll it's that's there's here's they're he's she's what's because since although
    though while whereas if when unless until which who whose where too hence still rather indeed actually basically okay e.g i.e eg ie today yesterday
    tomorrow in-order otherwise""".split()
)  # fmt: skip
_UNRESOLVED_PHRASE = re.compile(
    r"^(?:(?:on|in|for|with|by|at|under|from|to|during|if|when|as) [^,]{1,60}, (?:this|these|that|those|such)\b|any other\b|make sure\b|keep in mind\b|be (?:sure|aware|careful)\b|for (?:example|instance|this|that|these|those|the same|more|further)\b|in (?:this|that|these|those|such|the same|addition|contrast|fact|other words|particular|general|both|short|the "
    r"(?:above|following|previous|next|example|code)|our)\b|as (?:a result|such|mentioned|shown|described|we|you|noted|above|before|said|in the|an? "
    r"(?:consequence|example))\b|on the other hand\b|at (?:this|that|the same|the time)\b|after (?:this|that|these|doing)\b|by (?:this|that|doing (?:this|so|that))\b|"
    r"with (?:this|that|these|those)\b|to (?:do|make|achieve|fix|solve) (?:this|that|it|so)\b|from (?:this|that|there|here)\b|of (?:course|these|those|this)\b|"
    r"one (?:such|of (?:these|those))\b|the (?:same|latter|former|above|following|previous|next|result|reason|resulting|other|two|three|ideal|combined|contemporary|rest|idea|main|only|first|second|third|last)\b|in the (?:meantime|end|beginning)\b|many times\b|an? (?:similar|particular|common|good|better|different|few|lot|second|third|third|simple)\b|some (?:of|other)\b|"
    r"because of (?:this|that|these)\b|due to (?:this|that|these)\b|under (?:this|that|these)\b|during (?:this|that|these|the same)\b|"
    r"all (?:of|these|this|that|those)\b|most of (?:these|those|this|the)\b|many of (?:these|those|his|her|their|the)\b|each of (?:these|those|the)\b|"
    r"you(?:'ve| have| can (?:now|also|see|then))\b|we(?:'ve| have (?:seen|already)| can (?:now|also|see)| will (?:see|now))\b)",
    re.I,
)
# Words anywhere in it that need the passage, or the page, in view.
_POINTING = re.compile(
    r"\b(?:this|the|that|these|next|previous|following|preceding) (?:section|chapter|page|document|tutorial|guide|article|paper|example|examples|code|"
    r"snippet|figure|table|picture|screenshot|diagram|passage|paragraph|study|case|line|lines|pep|appendix)\b|\b(?:above|below|aforementioned|as follows|"
    r"the following|see also|click here|the latter|the former|respectively|as (?:shown|seen|described|mentioned|discussed|noted|explained) (?:in|above|"
    r"below|before|earlier|previously))\b|\bin (?:this|that) (?:way|case|sense|regard|respect|context|manner|release|version|example)\b|"
    r"\b(?:mentioned|described|shown|seen|defined|discussed|declared) (?:above|below|before|earlier|previously|here)\b|\b(?:all rights reserved|copyright|©)|\b(?:read|learn|know|see|find) more\b|\bmore about (?:it|that|this)\b|"
    # "IgnoreClient: This option …" has named it.
    r"(?<!: )\b(?:this|these) (?:directive|option|module|setting|parameter|argument|attribute|command|flag|function|method|class|field|variable|value|"
    r"header|handler|filter|provider)s?\b|"
    r"\b(?:that|this|it|them|these|those|here|there|so|too)\W*$|\bfrom [\w.]+ import\b",
    re.I,
)
_PRONOUN = frozenset(
    "he she him her his hers it its they them their theirs this that these those himself herself itself themselves here there".split()
)
_PERSON_AT_WORK = frozenset("i me my we us our you your let's i'm i'll i've we'll we've you'll you've".split())
_ASKER = re.compile(r"^(?:Q|Question|问|問)\s*\d{0,3}\s*[:.：]\s*")
_TO_THE_READER = re.compile(r"\b(?:do|did|would|are|were|have|had|will) you\b|\bif you\b", re.I)
_COMMANDS = frozenset(
    """add avoid be build change check choose click configure consider copy create declare define do don't enter execute explore find follow get give go
    handle import include install keep learn make navigate open pass pick press put read remember replace return run save select send set specify start
    take tell test try type update use visit wait want write""".split()
)
"""Verbs that, first in a sentence, tell the reader to do something."""
_UNRESOLVED_UNSPACED = re.compile(
    r"^(?:这|那|此|该|其|它|他|她|因此|所以|但|然而|而且|并且|同时|此外|另外|例如|比如|如上|如下|于是|或者|不过|可是|以下|上述|也|又|还|"
    r"これ|それ|あれ|この|その|あの|ここ|そこ|そして|しかし|また|さらに|例えば|たとえば|ただし|なお|つまり|したがって|従って|そのため|だから|一方|他方|"
    r"彼|次に|以下|上記|前述|では|でも|が、|もっとも)"
)
_LEAST_WORDS, _MOST_WORDS = 6, 40
_LEAST_ASKING, _MOST_ASKING = 4, 30


@dataclass(frozen=True)
class Sentence:
    """One sentence of a passage on one line, with the kind of block it stands in; `alone`: it is all of its block."""

    text: str
    kind: str
    alone: bool


def sentences(passage: Passage) -> list[Sentence]:
    """Sentences of the prose of a passage, in order, without list markers and reference numbers."""
    found: list[Sentence] = []
    for kind, block in passage.prose():
        spans = sentence_spans(block, passage.language)
        for start, end in spans:
            text = _MARKER.sub("", one_line(_REFERENCE.sub("", block[start:end])))
            if text:
                found.append(Sentence(text, kind, len(spans) == 1))
    return found


def sentence_candidates(
    passage: Passage, found: list[Sentence], frequencies: Frequencies, seed: int, most: int
) -> list[Candidate]:
    """The most informative sentences, best first, none much like another; at most `most`."""
    words_in_passage = max(1, count_words(" ".join(sentence.text for sentence in found)))
    normalised = normalise(passage.passage)
    scored: list[tuple[float, str, str]] = []
    for sentence in found:
        # A query that is nearly the whole passage teaches nothing.
        if 3 * count_words(sentence.text) > 2 * words_in_passage or not is_informative(sentence.text, cased=passage.is_cased):
            continue
        tie_break = content_id(str(seed), passage.chunk_id, sentence.text)
        scored.append((-_score(sentence.text, passage, frequencies), tie_break, sentence.text))
    chosen: list[str] = []
    for _, _, text in sorted(scored):
        if len(chosen) < most and not any(_alike(text, other) for other in chosen):
            chosen.append(text)
    return [Candidate(text, "sentence", stands_in(text, normalised)) for text in chosen]


def is_informative(sentence: str, *, cased: bool = True) -> bool:
    """Whether it says something of its own: right length, a whole statement, no code, not mostly numbers, nothing unresolved.

    In a `cased` text a sentence that begins with a small letter is a piece of one.
    """
    if not _END.search(sentence) or not _LEAST_WORDS <= count_words(sentence) <= _MOST_WORDS:
        return False
    if not _reads_alone(sentence, cased=cased):
        return False
    found = words(sentence)
    if is_unspaced(sentence):
        return True
    content = [word for word in found if word not in STOPWORDS]
    numbers = sum(1 for word in found if _NUMERIC.match(word))
    identifiers = sum(1 for word in found if "_" in word or "." in word.strip("."))
    telling = [word for word in content if word not in WEAK_WORDS and word.isalpha()]
    return (
        3 * len(content) >= len(found) and 4 * numbers <= len(found) and 6 * identifiers <= len(found) and len(set(telling)) >= 3
    )


def question_candidates(passage: Passage, found: list[Sentence], most: int) -> list[Candidate]:
    """Questions that the text itself asks and that make sense alone, in order; the passage around them is the answer."""
    normalised = normalise(passage.passage)
    asked = dict.fromkeys(
        text
        for text in _asked(passage, found)
        if _LEAST_ASKING <= count_words(text) <= _MOST_ASKING
        and _reads_alone(text, cased=passage.is_cased)
        and _names_something(text)
    )
    return [Candidate(text, "question_in_text", stands_in(text, normalised)) for text in asked][:most]


def _asked(passage: Passage, found: list[Sentence]) -> Iterator[str]:
    heading = one_line(passage.heading_path[-1]) if passage.heading_path and passage.begins_section else ""
    for text in (heading, *(sentence.text for sentence in found)):
        if _ASKS.search(text):
            yield _ASKER.sub("", text.strip("\"'“”‘’「」『』«» "))


def _names_something(question: str) -> bool:
    if is_unspaced(question):
        return True
    found = words(question)
    own = [word for word in found if word not in STOPWORDS and word not in WEAK_WORDS and word.isalpha()]
    if _TO_THE_READER.search(question):
        return False
    return len(set(own)) >= 2 and not set(found) & (_PRONOUN | _PERSON_AT_WORK - {"i", "you", "your", "my"})


def _reads_alone(sentence: str, *, cased: bool) -> bool:
    if _CODE.search(sentence) or _POINTING.search(sentence):
        return False
    if is_unspaced(sentence):
        return _UNRESOLVED_UNSPACED.match(sentence) is None
    first = sentence.lstrip("\"'“‘«(*_")
    if not first or (cased and first[0].islower()) or not (first[0].isalpha() or first[0].isdigit()):
        return False
    leading = re.match(r"[\w'’.-]+", first)
    opening = leading.group().lower().replace("’", "'").strip(".") if leading else ""
    asks = _ASKS.search(sentence) is not None
    if opening in _UNRESOLVED and not (asks and opening in ("who", "when", "where", "which", "what's", "whose", "if")):
        return False
    balanced = (
        all(sentence.count(left) == sentence.count(right) for left, right in ("()", "[]", "“”")) and sentence.count('"') % 2 == 0
    )
    return balanced and _UNRESOLVED_PHRASE.match(first) is None


def _score(sentence: str, passage: Passage, frequencies: Frequencies) -> float:
    """Rarity of its terms, summed over the square root of their number; more if it names its heading, less for loose pronouns."""
    terms = [term for term in terms_of(sentence, passage.language) if term not in WEAK_WORDS]
    if not terms:
        return 0.0
    # Beyond six bits a word is rare enough; rarer still is often a misspelling or a number with a unit.
    score = sum(1 + min(frequencies.rarity(term), 6) for term in terms) / math.sqrt(len(terms))
    headings = {stem(word, passage.language) for part in passage.heading_path for word in words(part)} - STOPWORDS
    if headings & {stem(term, passage.language) for term in terms}:
        score *= 1.2
    found = words(sentence)
    score *= 0.85 ** sum(1 for word in found if word in _PRONOUN)
    if any(word in _PERSON_AT_WORK for word in found):
        score *= 0.7
    if found[0] in _COMMANDS or "also" in found[:4]:
        score *= 0.7
    return score


def _alike(text: str, other: str) -> bool:
    own, others = set(words(text)) - STOPWORDS, set(words(other)) - STOPWORDS
    return 2 * len(own & others) > len(own | others)
