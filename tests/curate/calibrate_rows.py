"""A small corpus of four documents and questions about it, for the tests of `curate.calibrate`."""

from __future__ import annotations

from typing import Any

from curate.calibrate.material import Material, read_material
from curate.stage import content_id
from curate.store import Store
from curate.text import estimate_tokens
from curate.verify.ranks import read_corpus
from tests.curate.stage_runs import put

Row = dict[str, Any]

TEXTS: dict[str, tuple[str, str]] = {
    "heron": (
        "birds",
        "The grey heron is a wading bird that breeds in colonies beside lakes and slow rivers. A heronry in tall trees can hold 120 nests. "
        "The heron stands without a move until a fish comes near. Ornithologists of the RSPB count the nests of the Thames every spring.",
    ),
    "stork": (
        "birds",
        "The white stork builds a heavy nest on roofs and chimneys. Storks return to the same nest in April. "
        "A nest can weigh 250 kilograms after some decades of repairs. The stork does not sing, it claps its bill.",
    ),
    "kiln": (
        "cement",
        "A rotary kiln is a slowly turning steel cylinder in which limestone and clay are burnt to clinker. Coal dust heats the cylinder to "
        "1450 degrees at its lower end. Workers of LAFARGE measure the temperature with a pyrometer. Grinding the clinker with gypsum gives cement.",
    ),
    "mortar": (
        "cement",
        "Mortar is a paste of cement, sand and water that binds bricks. Masons of the Romans mixed lime with ash from Vesuvius for the Pantheon. "
        "The ash from Vesuvius hardens under water. Fresh mortar is used within two hours. Builders of the Romans kept lime in pits.",
    ),
    "queue": (
        "python",
        "The class QueueReader reads a queue in order. Call queue_reader.close() when the work is done. "
        "A QueueReader holds the lock of its queue until it is closed. It must not be shared between threads.",
    ),
}
LANGUAGE = "en"


def chunk_id(name: str) -> str:
    return content_id("chunk", name)


def chunk_row(name: str, document: str, text: str, position: int, language: str = LANGUAGE) -> Row:
    row = {"chunk_id": chunk_id(name), "document_id": content_id("document", document), "position": position, "start": 0}
    row |= {"end": len(text), "heading_path": [document.title()], "text": text, "passage": f"{document.title()}\n\n{text}"}
    row |= {"tokens": estimate_tokens(text), "language": language, "split": "train"}
    return row | {"cluster_id": content_id("cluster", document)}


def cluster_row(name: str, copies: str) -> Row:
    row = {"chunk_id": chunk_id(name), "chunk_cluster_id": content_id("copies", copies), "representative": True}
    return row | {"home_split": "train", "similarity": 1.0}


def corpus(store: Store, more: dict[str, tuple[str, str]] | None = None, language: str = LANGUAGE) -> Material:
    """The texts (and more) as chunks of a store, read as material."""
    texts = {**TEXTS, **(more or {})}
    rows = [chunk_row(name, document, text, i, language) for i, (name, (document, text)) in enumerate(texts.items())]
    put(store, "chunks", sorted(rows, key=lambda row: row["chunk_id"]))
    put(store, "chunk_clusters", sorted((cluster_row(name, name) for name in texts), key=lambda row: row["chunk_id"]))
    reader = store.reader(("chunks", "chunk_clusters"))
    return read_material(reader, read_corpus(reader))


def original(name: str, question: str, answer: str | None = None, evidence: str | None = None, **other: Any) -> Row:
    """A question of one of the texts, as `calibrate_questions` gives it."""
    document, text = other.pop("source", None) or TEXTS[name]
    chunk = chunk_row(name, document, text, 0)
    known = {key: chunk[key] for key in ("chunk_id", "document_id", "cluster_id", "text", "passage", "language", "split")}
    row = {"question_id": content_id("question", question), "question": question, "style": "natural", "answer": answer}
    row |= {"evidence": evidence, "origin": "llm", "model": "m", "group_id": None, "train_only": False, "imported_pair_id": None}
    row |= {"is_positive": True, "score": None, "label": None, "headings": document.title(), "home_split": "train"}
    return known | row | {"chunk_cluster_id": content_id("copies", name), "others": None, "altered": False} | other


def question_row(row: Row) -> Row:
    """An original as a row of `questions`."""
    names = ("question_id", "chunk_id", "question", "style", "answer", "evidence", "origin", "model", "group_id", "train_only")
    more = ("imported_pair_id", "is_positive", "score", "label")
    return {name: row[name] for name in (*names, *more)} | {"prompt": None}


NESTS = original("heron", "How many nests can a heronry hold?", "120 nests", "A heronry in tall trees can hold 120 nests.")
KILN = original(
    "kiln",
    "What does coal dust heat in a rotary kiln?",
    "Coal dust heats the cylinder to 1450 degrees.",
    "Coal dust heats the cylinder to 1450 degrees at its lower end.",
)
QUEUE = original(
    "queue",
    "What does a QueueReader hold until it is closed?",
    "It holds the lock of its queue.",
    "A QueueReader holds the lock of its queue until it is closed.",
)
ASH = original(
    "mortar", "Where did the ash of the Romans come from?", "From Vesuvius", "The ash from Vesuvius hardens under water."
)
ORIGINALS = [NESTS, KILN, QUEUE, ASH]
