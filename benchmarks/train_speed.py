"""How fast `curate train` takes its steps, beside the plain published script, in turns in one run.

    python benchmarks/train_speed.py --data FOLDER --model PATH_OR_NAME [--steps 24] [--batch-size 32] [--rounds 2] [--device auto]

Triplets of `squad` v1: a question, its paragraph, a paragraph of another article, in their natural lengths. The plain side is the training script of the
sentence-transformers guides: SentenceTransformerTrainer, MultipleNegativesRankingLoss, shuffled batches, learning rate 2e-5, warm-up 10%. Both sides
take the same rows, model, batch and number of steps. Timed is what lies between the end of the first step and the end of the last. Prints a table with
pairs/s, tokens/s (padding not counted), the tuned model's loss on rows that neither side trained on (fp32, batches in the same order), and the share
of the device's measured rate of matrix multiplication in the precision trained in (6 operations a weight and token, embeddings not counted), then one line
of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curate.stage import content_id
from schemas.training import TrainSettings
from train.losses import IN_BATCH, build_loss
from train.models import load_model, third_party
from train.trainer import train_model

PLAIN, OURS = "plain script", "curate train"
HELD_OUT = 8
"""Batches of rows that neither side trains on."""


@dataclass(frozen=True)
class Timed:
    """One training: seconds of the steps after the first, loss of the tuned model on held-out rows, precision."""

    seconds: float
    loss: float
    precision: str


class Clock:
    """When steps ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def step(self) -> None:
        """One step has ended."""
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """From the end of the first to the end of the last."""
        return self.ends[-1] - self.ends[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    options = _options(arguments)
    drawn = triplets(options.data, (options.steps + HELD_OUT) * options.batch_size)
    rows, options.held_out = drawn[: options.steps * options.batch_size], drawn[options.steps * options.batch_size :]
    model = load_model(options.model, device=options.device)
    tokens, weights, device = count_tokens(model, rows), inner_weights(model), str(model.device)
    base_loss = held_out_loss(model, options)
    del model
    runs: dict[str, list[Timed]] = {PLAIN: [], OURS: []}
    sides: dict[str, Callable[..., Timed]] = {PLAIN: plain_script, OURS: our_training}
    for turn in range(options.rounds):
        for name, side in sides.items():
            with tempfile.TemporaryDirectory() as folder:
                runs[name].append(side(rows, options, Path(folder), turn))
    share = (options.steps - 1) / options.steps
    rates = {kind: matmul_rate(device, kind) for kind in {timed.precision for side in runs.values() for timed in side}}
    table = {name: summary(timed, len(rows) * share, tokens * share, (weights, rates)) for name, timed in runs.items()}
    ratio = table[OURS]["pairs_per_s"] / table[PLAIN]["pairs_per_s"]
    for name, line in table.items():
        print(f"{name:<14}{runs[name][0].precision}  " + "".join(f"{key} {value:>10,.3f}   " for key, value in line.items()))
    print(f"{'base model':<14}held_out_loss {base_loss:.3f}")
    print(f"{OURS} / {PLAIN}: {ratio:.2f} times the pairs/s")
    facts = {"device": device, "steps": options.steps, "batch_size": options.batch_size, "base_loss": base_loss}
    facts["matmul_gflops"] = {kind: round(rate / 1e9, 1) for kind, rate in rates.items()}
    print(json.dumps({"benchmark": "train_speed", **facts, "tokens": tokens, "sides": table, "ratio": round(ratio, 3)}))


def triplets(folder: Path, count: int) -> list[tuple[str, str, str]]:
    """Human questions with their paragraph and one of another article, drawn by hash."""
    questions = pl.read_parquet(folder / "squad" / "v1_questions.parquet").filter(~pl.col("is_impossible"))
    paragraphs = pl.read_parquet(folder / "squad" / "v1_paragraphs.parquet").sort("title", "para_id")
    texts = dict(paragraphs.select("para_id", "context").iter_rows())
    titles = dict(paragraphs.select("para_id", "title").iter_rows())
    names = list(texts)
    found = []
    for row in sorted(questions.iter_rows(named=True), key=lambda row: content_id("train speed", row["id"]))[:count]:
        first = int(content_id("negative", row["id"]), 16) % len(names)
        other = next(
            names[(first + step) % len(names)] for step in range(len(names)) if _differs(names, titles, row, first + step)
        )
        found.append((row["question"], texts[row["para_id"]], texts[other]))
    return found


def _differs(names: Sequence[str], titles: dict[str, str], row: dict[str, Any], place: int) -> bool:
    return titles[names[place % len(names)]] != titles[row["para_id"]]


def plain_script(rows: Sequence[tuple[str, str, str]], options: argparse.Namespace, folder: Path, seed: int) -> Timed:
    """As the guides of sentence-transformers have it."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers import TrainerCallback
    from transformers.trainer_callback import PrinterCallback

    losses = third_party("sentence_transformers.sentence_transformer.losses", "sentence_transformers.losses")
    clock = Clock()

    class Watch(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.step()

    model = SentenceTransformer(options.model, device=None if options.device == "auto" else options.device)
    columns = dict(zip(("anchor", "positive", "negative"), map(list, zip(*rows, strict=True)), strict=True))
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=options.batch_size,
        learning_rate=2e-5,
        warmup_steps=max(1, options.steps // 10),
        bf16=str(model.device).startswith("cuda"),
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=seed,
        use_cpu=str(model.device) == "cpu",
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        loss=losses.MultipleNegativesRankingLoss(model),
        callbacks=[Watch()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    tuned = str(folder / "model")
    model.save_pretrained(tuned)
    loaded = load_model(tuned, device=options.device)
    return Timed(clock.seconds, held_out_loss(loaded, options), "bf16" if arguments.bf16 else "fp32")


def our_training(rows: Sequence[tuple[str, str, str]], options: argparse.Namespace, folder: Path, seed: int) -> Timed:
    """`curate train` on a plain file of the same rows."""
    file = folder / "triplets.parquet"
    columns = ("anchor", "positive", "negative")
    pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row").write_parquet(file)
    clock = Clock()

    def progress(step: str, done: int, total: int | None) -> None:
        if step == "train" and done and (not clock.ends or done > len(clock.ends)) and total:
            clock.step()

    settings = TrainSettings(batch_size=options.batch_size, learning_rate=2e-5, seed=seed, device=options.device)
    result = train_model(file, folder / "model", options.model, settings, progress)
    loaded = load_model(str(folder / "model"), device=options.device)
    return Timed(clock.seconds, held_out_loss(loaded, options), result.precision)


def held_out_loss(model: Any, options: argparse.Namespace) -> float:
    """Mean MultipleNegativesRankingLoss over batches of rows that were not trained on."""
    import torch

    rows, size = options.held_out, options.batch_size
    loss = build_loss(IN_BATCH, model)
    found = []
    model.eval()
    with torch.no_grad():
        for start in range(0, len(rows), size):
            columns = zip(*rows[start : start + size], strict=True)
            features = [
                {k: v.to(model.device) for k, v in model.preprocess(list(c)).items() if hasattr(v, "to")} for c in columns
            ]
            found.append(float(loss(features, None)))
    return round(statistics.fmean(found), 4)


def summary(runs: Sequence[Timed], pairs: float, tokens: float, machine: tuple[int, dict[str, float]]) -> dict[str, float]:
    """Medians over the rounds."""
    weights, rates = machine
    rate = rates[runs[0].precision]
    seconds = statistics.median(run.seconds for run in runs)
    return {
        "seconds": round(seconds, 3),
        "pairs_per_s": round(pairs / seconds, 3),
        "tokens_per_s": round(tokens / seconds, 1),
        "held_out_loss": round(statistics.median(run.loss for run in runs), 4),
        "share_of_matmul": round(6 * weights * tokens / seconds / rate, 4),
    }


def count_tokens(model: Any, rows: Sequence[tuple[str, str, str]]) -> int:
    """Tokens of all texts, cut at the model's limit."""
    texts = [text for row in rows for text in row]
    lengths = model.tokenizer(texts, truncation=False, padding=False, verbose=False)["input_ids"]
    return sum(min(len(ids), model.max_seq_length or len(ids)) for ids in lengths)


def inner_weights(model: Any) -> int:
    """Weights that every token is multiplied with."""
    return sum(tensor.numel() for name, tensor in model.named_parameters() if "embedding" not in name and tensor.dim() > 1)


def matmul_rate(device: str, precision: str, size: int = 2048) -> float:
    """Floating-point operations a second of large matrix products."""
    import torch

    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    left = torch.randn(size, size, device=device, dtype=kind)
    right = torch.randn(size, size, device=device, dtype=kind)

    def seconds() -> float:
        started = time.perf_counter()
        for _ in range(4):
            left @ right
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / 4

    seconds()
    return 2 * size**3 / min(seconds() for _ in range(3))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with squad/")
    parser.add_argument("--model", required=True, help="folder or hub name")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2, help="times that each side runs")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
