"""A tiny random encoder and small dataset folders, both made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from schemas.manifest import FileEntry, Manifest, file_sha256, write_manifest

WORDS = [f"w{number}" for number in range(60)]


@dataclass(frozen=True)
class Toy:
    """What tests need to know of the toy data."""

    passage: Callable[[int], str]
    question: Callable[[int], str]
    seal: Callable[..., None]
    write_jsonl: Callable[[Path, list[dict[str, Any]]], Path]


def passage(number: int) -> str:
    """A passage about topic `number`: three words of its own, seven of everyone's."""
    return f"{WORDS[number]} {WORDS[number + 1]} {WORDS[number + 2]} is about the one and only thing of topic"


def question(number: int) -> str:
    """A question whose words are those of passage `number`."""
    return f"what is {WORDS[number]} {WORDS[number + 1]}"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised BERT of two layers and 32 dimensions with a word-piece tokenizer, saved to a folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    try:
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    except ImportError:  # before sentence-transformers 5.4
        from sentence_transformers.models import Pooling, Transformer

    folder = tmp_path_factory.mktemp("tiny")
    filler = "what is about the one and only thing of topic a b c d e f g h i j k l m n o p q r s t u v w x y z".split()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *dict.fromkeys(filler)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    # Two threads that wait for each other on a busy machine take minutes for what one does in seconds.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=32)
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling_mode="mean")], device="cpu")
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


@pytest.fixture(scope="session")
def toy() -> Toy:
    """The functions that make the toy data."""
    return Toy(passage, question, seal, write_jsonl)


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Writes a dataset folder as export does: topics 0–39 train, 40–49 dev, 50–57 test; keyword arguments spoil or shrink it,
    and give the training rows of further formats by name."""

    def make(
        name: str = "dataset",
        *,
        triplets: pl.DataFrame | None = None,
        pairs: pl.DataFrame | None = None,
        with_triplets: bool = True,
        dev: range = range(40, 50),
        test: range = range(50, 58),
        counts: dict[str, dict[str, int]] | None = None,
        negatives: int = 1,
        **formats: pl.DataFrame,
    ) -> Path:
        folder = tmp_path / name
        train = range(40)
        frames: dict[str, pl.DataFrame] = {
            "pairs/train": pairs if pairs is not None else _pairs(train),
            "pairs/dev": _pairs(dev),
            "pairs/test": _pairs(test),
        }
        if with_triplets:
            frames["triplets/train"] = triplets if triplets is not None else _triplets(train)
            frames["triplets/dev"] = _triplets(dev)
            frames["triplets/test"] = _triplets(test)
        frames |= {f"{key}/train": frame for key, frame in formats.items()}
        for key, frame in frames.items():
            path = folder / f"{key}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(path)
        for split, topics in (("dev", dev), ("test", test)):
            _write_eval(folder / "eval" / split, topics)
        seal(folder, counts=counts, negatives=negatives)
        return folder

    return make


def seal(
    folder: Path, *, counts: dict[str, dict[str, int]] | None = None, negatives: int = 1, heading_prefix: bool = True
) -> None:
    """Write the manifest over what is in the folder now."""
    files = {}
    found: dict[str, dict[str, int]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"):
        rows = pl.read_parquet(path).height if path.suffix == ".parquet" else None
        name = path.relative_to(folder).as_posix()
        files[name] = FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size, rows=rows)
        if rows is not None:
            found.setdefault(path.parent.name, {})[path.stem] = rows
    manifest = Manifest(
        name="tiny",
        curate_version="0",
        libraries={},
        settings={},
        heading_prefix=heading_prefix,
        split_method="clusters",
        negatives=negatives,
        counts=counts or found,
        rejected={},
        notes=[],
        files=files,
    )
    write_manifest(folder, manifest)


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _pairs(topics: range) -> pl.DataFrame:
    rows = {"anchor": [question(n) for n in topics], "positive": [passage(n) for n in topics]}
    return pl.DataFrame(rows, schema={"anchor": pl.String, "positive": pl.String})


def _triplets(topics: range) -> pl.DataFrame:
    return _pairs(topics).with_columns(pl.Series("negative_1", [passage((n + 7) % 58) for n in topics], dtype=pl.String))


def _write_eval(folder: Path, topics: range) -> None:
    write_jsonl(folder / "corpus.jsonl", [{"_id": f"c{n:02}", "title": f"T{n}", "text": passage(n)} for n in range(58)])
    metadata = [{"style": "even" if n % 2 == 0 else "odd", "origin": "extractive", "cluster_id": f"k{n // 2}"} for n in topics]
    queries = [{"_id": f"q{n}", "text": question(n), "metadata": m} for n, m in zip(topics, metadata, strict=True)]
    write_jsonl(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    lines = [f"q{n}\tc{n:02}\t1\n" for n in topics]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8")
