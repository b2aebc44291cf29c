"""How many planted faults `curate audit` finds and names, and how many sound rows it flags.

    python benchmarks/audit_quality.py --data FOLDER [--rows 1000] [--planted 20] [--seed 13]

FOLDER holds `squad/v1_paragraphs.parquet` and `squad/v1_questions.parquet`. Of the questions, each with its paragraph and a paragraph of
another article, ROWS rows are made, a tenth of them a split
`test` of other articles; of each of eighteen kinds PLANTED rows are spoilt, each row once. Findings on rows that
nobody spoilt, and that no spoilt row collides with, are false flags. The last line is JSON. Bars: 0.95 of each kind found under its name, at most
0.02 of the sound rows flagged.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from curate.audit import Wanted, audit
from pipelines.engine import ProcessEngine

Row = dict[str, Any]
Plant = Callable[[Row, Row, random.Random], None]
"""Spoils a row; it may take texts of another, sound row of the same split, which stays as it is."""


def main(argv: Sequence[str] | None = None) -> None:
    """Plant, audit, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    for name, default in (("--rows", 1000), ("--planted", 20), ("--seed", 13)):
        parser.add_argument(name, type=int, default=default)
    arguments = parser.parse_args(argv)
    draw = random.Random(arguments.seed)
    rows = made(arguments.data / "squad", arguments.rows, draw)
    planted = plant(rows, arguments.planted, draw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        with ProcessEngine(1) as engine:
            found = audit(Wanted(path), engine).found
    report = counted(found, planted, len(rows))
    for kind, recall in report["recall"].items():
        print(f"{kind:28}{recall:6.2f}")
    print(f"{'sound rows flagged':28}{report['false_flags']:6.3f}   noted {report['false_notes']:.3f}   {report['false_kinds']}")
    print(json.dumps(report))


def made(folder: Path, count: int, draw: random.Random) -> list[Row]:
    """Sound rows: questions that differ, of train and test articles, with the answer and a paragraph of another article."""
    paragraphs = pl.read_parquet(folder / "v1_paragraphs.parquet").select("para_id", "context", "title")
    questions = pl.read_parquet(folder / "v1_questions.parquet").select("para_id", "question", "answer").drop_nulls()
    rows = questions.join(paragraphs, on="para_id", maintain_order="left").unique("question", keep="first", maintain_order=True)
    titles = sorted(set(rows["title"]))
    test = set(draw.sample(titles, max(2, len(titles) // 10)))
    found = rows.rows(named=True)
    draw.shuffle(found)
    parts = {split: [row for row in found if (row["title"] in test) == (split == "test")] for split in ("train", "test")}
    chosen = [("train", row) for row in parts["train"][: count - count // 10]] + [
        ("test", row) for row in parts["test"][: count // 10]
    ]
    result = []
    for split, row in chosen:
        others = [other["context"] for other in parts[split] if other["title"] != row["title"]]
        without = [text for text in draw.sample(others, min(60, len(others))) if row["answer"].lower() not in text.lower()]
        result.append(
            {
                "anchor": row["question"],
                "positive": row["context"],
                "negative": (without or others)[0],
                "answer": row["answer"],
                "split": split,
            }
        )
    return result


def plant(rows: list[Row], count: int, draw: random.Random) -> dict[str, dict[int, int]]:
    """Spoil `count` rows of each kind: spoilt row → the sound row whose texts it took. None is used again."""
    free = [number for number, row in enumerate(rows) if row["split"] == "train"]
    tests = [number for number, row in enumerate(rows) if row["split"] == "test"]
    draw.shuffle(free)
    draw.shuffle(tests)
    planted: dict[str, dict[int, int]] = {}
    for kind, spoil in PLANTS.items():
        wanted = [number for number in free if kind != "negative_holds_answer" or len(rows[number]["answer"].split()) >= 3][
            :count
        ]
        free = [number for number in free if number not in wanted]
        planted[kind] = {}
        for number in wanted:
            other = tests.pop() if kind.endswith("other_split") else free.pop(0) if kind in PAIRED else number
            spoil(rows[number], rows[other], draw)
            planted[kind][number] = other
    return planted


def _duplicate(row: Row, other: Row, _: random.Random) -> None:
    row.update(other)


def _near(row: Row, other: Row, draw: random.Random) -> None:
    words = other["positive"].split()
    for _ in range(2):
        words[draw.randrange(len(words))] = draw.choice(words)
    row.update(other, positive=" ".join(words), anchor=f"Please, {other['anchor'][0].lower()}{other['anchor'][1:]}")


def _verbatim(row: Row, _: Row, draw: random.Random) -> None:
    words = row["positive"].split()
    start = draw.randrange(max(1, len(words) - 12))
    row["anchor"] = " ".join(words[start : start + 10]).strip(" ,.;") + "?"


def _short(row: Row, _: Row, draw: random.Random) -> None:
    row["positive"] = " ".join(row["positive"].split()[: draw.randint(2, 6)])


def _malformed(row: Row, _: Row, draw: random.Random) -> None:
    row["anchor"] = draw.choice(("Question 3: {}", "- {}", "{}\nAnswer: see above", "```{}```", "1. {}")).format(row["anchor"])


def _blank(row: Row, _: Row, draw: random.Random) -> None:
    row["positive"] = draw.choice((None, "", "  \n"))


def _list(row: Row, _: Row, draw: random.Random) -> None:
    texts = [row["positive"], row["negative"]]
    row["positive"] = str(texts) if draw.random() < 0.5 else texts


def _characters(row: Row, _: Row, draw: random.Random) -> None:
    row["positive"] = " ".join(row["positive"][:60].replace(" ", "")) if draw.random() < 0.5 else row["positive"][0]


def _mojibake(row: Row, _: Row, draw: random.Random) -> None:
    words = row["positive"].split()
    words.insert(len(words) // 2, draw.choice(("“cited”", "café", "it’s", "naïve", "São")).encode().decode("cp1252", "replace"))
    row["positive"] = " ".join(words)


def _control(row: Row, _: Row, draw: random.Random) -> None:
    row["positive"] = row["positive"].replace(" ", draw.choice(("\0", "\x08", "\x1b[31m")), 1)


def _equal(row: Row, _: Row, draw: random.Random) -> None:
    row["negative"] = row["positive"] if draw.random() < 0.5 else row["positive"].upper()


def _nearly_equal(row: Row, _: Row, draw: random.Random) -> None:
    words = row["positive"].split()
    words[draw.randrange(len(words))] = "indeed"
    row["negative"] = " ".join(words)


def _holds(row: Row, _: Row, __: random.Random) -> None:
    row["negative"] = f"{row['negative']} As is well known, {row['answer']} was meant."


def _swapped(row: Row, _: Row, __: random.Random) -> None:
    row["positive"], row["negative"] = row["negative"], row["positive"]


def _both(row: Row, other: Row, _: random.Random) -> None:
    row.update(anchor=other["anchor"], negative=other["positive"])


def _leak(row: Row, other: Row, draw: random.Random) -> None:
    row["anchor"] = other["anchor"] if draw.random() < 0.5 else f"{other['anchor'].rstrip('?').upper()} ?"


def _foreign(row: Row, _: Row, draw: random.Random) -> None:
    row.update(_in_other_language(draw), answer=None)


def _half_foreign(row: Row, _: Row, draw: random.Random) -> None:
    row.update(positive=_in_other_language(draw)["positive"], answer=None)


def _in_other_language(draw: random.Random) -> Row:
    """A row in German, French or Spanish about one of a hundred things."""
    asked, said = draw.choice(FOREIGN)
    place, year, number = draw.choice(PLACES), draw.randint(1500, 1990), draw.randint(2, 90)
    answers = [said.format(place=place, year=year + n, number=number + n) for n in (0, 7)]
    return {
        "anchor": asked.format(place=place, year=year),
        "positive": answers[0],
        "negative": answers[1].replace(place, draw.choice(PLACES)),
    }


PLACES = "Paris London Madrid Rom Lyon Hamburg Sevilla Wien Genf Porto Granada Bremen Toulouse Dresden Bilbao Basel Nantes Leipzig".split()
FOREIGN = (
    (
        "Welche Brücke wurde im Jahr {year} in {place} gebaut und warum?",
        "Im Jahr {year} wurde in {place} eine neue Brücke über den Fluss gebaut, die von den Bürgern der Stadt bezahlt wurde und nach {number} Jahren erneuert werden musste.",
    ),
    (
        "Quelle école a été fondée à {place} en {year} par les habitants ?",
        "En {year}, les habitants de {place} ont fondé une école qui a accueilli {number} élèves dès la première année et qui est devenue plus tard une université.",
    ),
    (
        "¿Qué mercado se abrió en {place} en el año {year}?",
        "En el año {year} se abrió en {place} un mercado con {number} puestos, donde los campesinos de la región vendían sus frutas y verduras todas las semanas.",
    ),
)

PLANTS: dict[str, Plant] = {
    "negative_holds_answer": _holds,
    "exact_duplicate": _duplicate,
    "near_duplicate": _near,
    "anchor_in_passage": _verbatim,
    "passage_too_short": _short,
    "malformed_anchor": _malformed,
    "blank_text": _blank,
    "list_for_text": _list,
    "single_characters": _characters,
    "encoding_damage": _mojibake,
    "control_characters": _control,
    "negative_equals_positive": _equal,
    "negative_near_positive": _nearly_equal,
    "negative_above_positive": _swapped,
    "positive_and_negative": _both,
    "minority_language": _foreign,
    "mixed_languages": _half_foreign,
    "anchor_in_other_split": _leak,
}
PAIRED = ("exact_duplicate", "near_duplicate", "positive_and_negative")
"""Kinds that take the texts of another row."""


def counted(found: pl.DataFrame, planted: dict[str, dict[int, int]], rows: int) -> dict[str, Any]:
    """Recall by kind, and the share of sound rows with an error, and with a note."""
    by_kind = {kind: set(some["row"]) for (kind,), some in found.group_by("kind")}
    recall = {}
    for kind, pairs in planted.items():
        hits = by_kind.get(kind, set())
        # Of two copies the later one is named, whichever was planted.
        recall[kind] = sum(1 for row, other in pairs.items() if row in hits or ("duplicate" in kind and other in hits)) / len(
            pairs
        )
    touched = {number for pairs in planted.values() for pair in pairs.items() for number in pair}
    sound = set(range(rows)) - touched
    errors, notes = (found.filter(pl.col("error") == wanted).filter(pl.col("row").is_in(list(sound))) for wanted in (True, False))
    return {
        "rows": rows,
        "recall": recall,
        "sound": len(sound),
        "false_flags": errors["row"].n_unique() / len(sound),
        "false_notes": notes["row"].n_unique() / len(sound),
        "false_kinds": dict(sorted(errors["kind"].value_counts().rows())),
    }


if __name__ == "__main__":
    main()
