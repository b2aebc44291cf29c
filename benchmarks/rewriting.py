"""Paraphrases by rule: other words, other number formats, other order of clauses and sentences; what is said stays."""

from __future__ import annotations

import re
from collections.abc import Collection

from curate.stage import content_id
from curate.text import normalise, sentence_spans

SYNONYMS = dict(
    entry.split("=")
    for entry in """
      began=started begin=start begins=starts started=began large=big largest=biggest larger=bigger small=little important=significant
      significant=important many=numerous several=various various=several often=frequently frequently=often usually=typically
      typically=usually generally=normally commonly=frequently common=widespread also=additionally approximately=about
      around=roughly nearly=almost almost=nearly however=still although=though while=whereas because=since since=because therefore=thus
      thus=hence used=employed uses=employs using=employing made=produced make=produce makes=produces created=produced
      create=produce built=constructed build=construct constructed=built show=demonstrate shows=demonstrates shown=demonstrated showed=demonstrated
      found=discovered find=discover help=assist helps=assists helped=assisted get=obtain need=require needs=requires needed=required required=needed
      require=need give=provide gives=provides given=provided provide=offer provides=offers provided=supplied cause=produce causes=produces caused=produced
      causing=producing occur=happen occurs=happens occurred=happened happen=occur include=comprise includes=comprises including=among
      contain=hold contains=holds contained=held become=turn became=turned keep=maintain keeps=maintains
      increase=rise increased=rose increases=rises decrease=decline decreased=declined reduce=lower reduced=lowered reduces=lowers
      main=chief major=principal primary=main principal=main chief=main whole=entire entire=whole total=overall first=earliest last=final
      final=last early=initial initial=early different=distinct similar=comparable difficult=hard hard=difficult easy=simple simple=easy
      quickly=rapidly rapidly=quickly slowly=gradually gradually=slowly people=individuals individuals=people person=individual
      children=youngsters child=youngster doctor=physician doctors=physicians physician=doctor physicians=doctors illness=disease illnesses=diseases
      disorder=condition disorders=conditions condition=disorder conditions=disorders sign=indication signs=indications
      treatment=therapy treatments=therapies therapy=treatment medicine=drug medicines=drugs medication=drug medications=drugs
      affect=influence affects=influences affected=influenced problem=difficulty problems=difficulties risk=danger chance=likelihood chances=odds
      area=region areas=regions region=area regions=areas country=nation countries=nations nation=country nations=countries
      city=town war=conflict battle=fight leader=head leaders=heads
      company=firm companies=firms firm=company job=occupation work=labour works=functions working=functioning money=funds
      end=close ended=closed ends=closes part=portion parts=portions portion=part piece=fragment group=set groups=sets kind=type kinds=types
      type=kind types=kinds form=shape forms=shapes formed=shaped number=count amount=quantity rate=pace level=degree levels=degrees
      result=outcome results=outcomes outcome=result effect=impact effects=impacts reason=ground reasons=grounds way=manner ways=manners
      method=approach methods=approaches example=instance examples=instances study=investigation studies=investigations research=inquiry
      idea=notion ideas=notions belief=conviction view=opinion views=opinions says=states said=stated say=state stated=said
      believe=think believed=thought think=believe called=named named=called known=recognised considered=regarded regarded=considered
      allow=permit allows=permits allowed=permitted permit=allow try=attempt tried=attempted attempt=try change=alter changes=alterations changed=altered
      grow=develop grew=developed grows=develops live=dwell lived=dwelt lives=dwells move=shift moved=shifted moves=shifts
      near=close-to within=inside across=throughout throughout=across between=amid among=amid upon=on usually=ordinarily
      today=nowadays currently=now recently=lately later=afterwards previously=formerly formerly=previously
      well=properly very=highly extremely=very only=merely mainly=chiefly mostly=largely largely=mostly especially=particularly
      particularly=especially each=every every=each severe=serious serious=severe rare=uncommon unusual=odd normal=ordinary
      body=organism certain=particular specific=particular particular=specific possible=conceivable likely=probable able=capable
    """.split()
)
PHRASES = tuple(
    (re.compile(left), right)
    for left, right in (
        (r"\b[Ii]n order to\b", "to"),
        (r"\bsuch as\b", "like"),
        (r"\bas well as\b", "and also"),
        (r"\b(?:because of|due to)\b", "owing to"),
        (r"\ba number of\b", "quite a few"),
        (r"\bfor example\b", "for instance"),
        (r"\b(?:is|was) known as\b", "bears the name"),
        (r"\bin addition to\b", "besides"),
        (r"\bas a result of\b", "following"),
        (r"\bis caused by\b", "comes from"),
        (r"\bare caused by\b", "come from"),
        (r"(?<!nothing )\bmore than\b", "over"),
        (r"\babout (?=\d)", "roughly "),
        (r"\bless than\b", "under"),
        (r"\bat least\b", "no fewer than"),
        (r"\bone of the\b", "among the"),
        (r"\bcan be\b", "may be"),
        (r"\bdoes not\b", "doesn't"),
        (r"\bdo not\b", "don't"),
        (r"\bcannot\b", "is unable to"),
        (r"\b([\w-]+), ([\w-]+),? and ([\w-]+)\b(?=[.;,])", r"\3, \1 and \2"),
    )
)
_NAMES = "zero one two three four five six seven eight nine ten eleven twelve".split()
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_ORDINALS = {"18th": "eighteenth", "19th": "nineteenth", "20th": "twentieth", "17th": "seventeenth", "16th": "sixteenth"}
_FRONTED = re.compile(
    r"(In|On|At|During|After|Before|By|For|With|While|Because|If|When|Although|Until|Since|Under|From|As) ([^,;:.]{3,70}), ((?!and |or |but |also )[A-Za-z][^;:]{20,})([.!?])"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")


def sentences(text: str) -> list[str]:
    """The sentences of a text, blanks at their ends removed."""
    return [part for start, end in sentence_spans(text) if (part := text[start:end].strip())]


def reordered(text: str, lot: str) -> str | None:
    """The sentences in another order drawn by `lot`; None for fewer than three."""
    found = sentences(text)
    if len(found) < 3:
        return None
    order = sorted(range(len(found)), key=lambda i: content_id("order", lot, str(i)))
    if order == sorted(order):
        order = order[1:] + order[:1]
    return " ".join(found[i] for i in order)


def reworded(text: str, kept: Collection[str] = ()) -> str | None:
    """Every sentence in other words; no word of the texts `kept` is exchanged. None where less than 7% of the words change."""
    safe = frozenset(word for one in kept for word in normalise(one).split())
    changed = " ".join(_reworded_sentence(sentence, safe) for sentence in sentences(text))
    before, after = normalise(text).split(), frozenset(normalise(changed).split())
    lost = sum(word not in after for word in before)
    return changed if before and lost >= 0.07 * len(before) else None


def _reworded_sentence(sentence: str, safe: Collection[str]) -> str:
    said = _other_numbers(sentence, safe)
    for pattern, replacement in PHRASES:
        if not _touches(pattern, said, safe):
            said = pattern.sub(replacement, said)
    said = _WORD.sub(lambda match: _synonym(match.group(), safe), said)
    return _clause_last(said)


def _touches(pattern: re.Pattern[str], said: str, safe: Collection[str]) -> bool:
    return any(word in safe for match in pattern.finditer(said) for word in normalise(match.group()).split())


def _synonym(word: str, safe: Collection[str]) -> str:
    lower = word.lower()
    if lower in safe or lower not in SYNONYMS or word[1:] != lower[1:]:
        return word
    found = SYNONYMS[lower].replace("-", " ")
    return found.capitalize() if word[0].isupper() else found


def _other_numbers(said: str, safe: Collection[str]) -> str:
    """1,000 → 1000, October 12, 1973 → 12 October 1973, 7 → seven, three → 3, 19th → nineteenth, 5% → 5 percent."""

    def kept(match: re.Match[str], new: str) -> str:
        return match.group() if any(word in safe for word in normalise(match.group()).split()) else new

    said = re.sub(rf"\b({_MONTH}) (\d{{1,2}}), (\d{{4}})\b", lambda m: kept(m, f"{m[2]} {m[1]} {m[3]}"), said)
    said = re.sub(r"\b(\d{1,3}),(\d{3})\b(?!,)", lambda m: kept(m, m[1] + m[2]), said)
    said = re.sub(r"(?<=\d) ?%", " percent", said)
    said = re.sub(r"\b1[6-9]th\b|\b20th\b", lambda m: kept(m, _ORDINALS[m[0]]), said)
    digits = rf"(?<![\d.,$£€#:-])\b([2-9]|1[0-2])\b(?![\d.,:%-]| percent| (?:{_MONTH}))"
    said = re.sub(digits, lambda m: kept(m, "\0" + _NAMES[int(m[1])]), said)
    names = "|".join(_NAMES[2:])
    said = re.sub(rf"(?<!\0)(?<![-\w])({names})\b(?!-)", lambda m: kept(m, str(_NAMES.index(m[1]))), said)
    return said.replace("\0", "")


def _clause_last(sentence: str) -> str:
    """ "In 1971, they left." → "They left in 1971." """
    match = _FRONTED.fullmatch(sentence)
    if match is None:
        return sentence
    first, phrase, rest, mark = match.groups()
    return f"{rest[0].upper()}{rest[1:]} {first.lower()} {phrase}{mark}"
