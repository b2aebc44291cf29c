"""The story of a row as a tree: document → chunk → question → gates, pair or reason, negatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from pipelines.console import gate_line, printable, short
from schemas.reasons import meaning

Row = Mapping[str, Any]

LONGEST = 300
"""Characters of a text that are shown; `--full` shows every field whole."""


def story(rows: Sequence[Row]) -> list[Tree]:
    """The rows of `look.why` as trees, one a document; what belongs to no document stands for itself."""
    return _Story(rows).trees()


class _Story:
    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.told: set[int] = set()

    def trees(self) -> list[Tree]:
        found = [self._document(row) for row in self._of("documents")]
        for row in self.rows:
            if id(row) not in self.told:
                name = row["table"]
                tree = Tree(_text(f"{name}  {_rejection(row)}" if name == "rejected" else name))
                for key, value in row.items():
                    if key != "table" and value not in (None, [], ""):
                        tree.add(_text(f"{key}: {value}"))
                found.append(tree)
        return found

    def _of(self, table: str, **wanted: Any) -> list[Row]:
        found = [
            row for row in self.rows if row["table"] == table and all(row.get(key) == value for key, value in wanted.items())
        ]
        self.told |= {id(row) for row in found}
        return found

    def _document(self, row: Row) -> Tree:
        key = row["document_id"]
        tree = Tree(_text(f"document {key}  {row['source']}  “{row['title']}”  {row['format']}, {row['language']}"))
        for cluster in self._of("document_clusters", document_id=key):
            if not cluster["representative"]:
                tree.add(_text(f"{cluster['duplicate']} copy of another document (cluster {cluster['cluster_id']}, similarity {cluster['similarity']:.2f})"))  # fmt: skip
        splits = Counter(part["split"] for part in self._of("splits", document_id=key))
        if splits:
            tree.add(
                _text("in " + ", ".join(f"{name} ({count} parts)" if len(splits) > 1 else name for name, count in splits.items()))
            )
        self._rejected(tree, key)
        for pair in self._of("imported_pairs", document_id=key):
            tree.add(_text(f"imported pair {pair['imported_pair_id']}  “{pair['anchor']}”  {pair['source']}"))
        for chunk in self._of("chunks", document_id=key):
            self._chunk(tree, chunk)
        return tree

    def _chunk(self, parent: Tree, row: Row) -> None:
        key = row["chunk_id"]
        place = " > ".join(row["heading_path"])
        tree = parent.add(_text(f"chunk {key}  number {row['position']}, {row['tokens']} tokens, {row['split']}  {place}"))
        tree.add(_text(row["text"]))
        for cluster in self._of("chunk_clusters", chunk_id=key):
            if not cluster["representative"]:
                tree.add(
                    _text(f"near-copy of another chunk (cluster {cluster['chunk_cluster_id']}, used in {cluster['home_split']})")
                )
        self._rejected(tree, key)
        for question in self._of("questions", chunk_id=key):
            self._question(tree, question)

    def _question(self, parent: Tree, row: Row) -> None:
        key = row["question_id"]
        by = f" by {row['model']}" if row["model"] else ""
        tree = parent.add(_text(f"question {key}  “{row['question']}”  {row['style']}, {row['origin']}{by}"))
        for name in ("answer", "evidence"):
            if row[name]:
                tree.add(_text(f"{name}: {row[name]}"))
        self._of("checks", question_id=key)
        gates = self._of("gates", question_id=key)
        if gates:
            passed = sum(gate["verdict"] == "passes" for gate in gates)
            node = tree.add(_text(f"gates: {passed} of {len(gates)} passed"))
            for gate in gates:
                node.add(_text(gate_line(gate)))
        for label in self._of("labels", question_id=key):
            tree.add(_text("label: " + ", ".join(f"{name} {value}" for name, value in label.items() if name not in ("table", "question_id") and value)))  # fmt: skip
        self._rejected(tree, key)
        for pair in self._of("pairs", question_id=key):
            self._pair(tree, pair)

    def _pair(self, parent: Tree, row: Row) -> None:
        tree = parent.add(
            _text(f"pair {row['pair_id']}  in {row['split']}" + (", in training only" if row["train_only"] else ""))
        )
        self._rejected(tree, row["pair_id"])
        candidates = self._of("negatives", pair_id=row["pair_id"])
        for one in sorted((one for one in candidates if one["chosen"]), key=lambda one: int(one["chosen"])):
            tree.add(_text(f"negative {one['chosen']}: {_found(one)}  {one['text']}"))
        aside = Counter(one["reason"] or one["state"] for one in candidates if not one["chosen"])
        for reason, count in sorted(aside.items(), key=lambda item: (-item[1], item[0])):
            about = meaning(reason)
            tree.add(
                _text(
                    f"{count} {'candidate' if count == 1 else 'candidates'} set aside: {reason}"
                    + (f" ({about})" if about else "")
                )
            )

    def _rejected(self, tree: Tree, key: str) -> None:
        for row in self._of("rejected", row_key=key):
            tree.add(_text(_rejection(row)))


def _rejection(row: Row) -> str:
    detail = f": {row['detail']}" if row["detail"] else ""
    return f"{row['state']} by stage {row['stage']}: {row['reason']}{detail} ({meaning(row['reason'])})"


def _found(row: Row) -> str:
    rank = f" rank {row['rank']}" if row["rank"] is not None else ""
    score = f", score {row['score']:.3g}" if row["score"] is not None else ""
    taught = f", teacher {row['teacher_score']:.3f}" if row["teacher_score"] is not None else ""
    return f"{row['origin']}{rank}{score}{taught}"


def _text(text: str) -> Text:
    """Text as text: without control characters, on one line, cut."""
    return Text(short(printable(text), LONGEST))
