"""Settings of training; apart from `Settings`, so that they never touch a build's fingerprint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.settings.section import Section

Loss = Literal[
    "MultipleNegativesRankingLoss",
    "CachedMultipleNegativesRankingLoss",
    "GISTEmbedLoss",
    "CachedGISTEmbedLoss",
    "TripletLoss",
    "OnlineContrastiveLoss",
    "ContrastiveLoss",
    "CoSENTLoss",
    "AnglELoss",
    "CosineSimilarityLoss",
    "SoftmaxLoss",
    "MarginMSELoss",
    "DistillKLDivLoss",
    "HybridDistillLoss",
]
"""Losses, by their names in sentence-transformers; HybridDistillLoss is ours."""

Shape = Literal["triplets", "pairs", "scored", "labeled", "distilled", "multi_positive", "nli"]
"""Kinds of rows: the formats of a dataset folder, and `nli` (premise, hypothesis, three labels), which only plain files have."""


class TrainSettings(Section):
    """Rows in, a model folder out. Defaults are those of the sentence-transformers guides unless a description names another source."""

    loss: Loss | Literal["auto"] = Field(
        "auto",
        description=(
            "Loss, by its name in sentence-transformers (HybridDistillLoss is ours); auto: HybridDistillLoss for a dataset folder whose questions were "
            "mostly taken from the passages themselves, else MultipleNegativesRankingLoss for triplets, pairs and multi_positive (GISTEmbedLoss "
            "with a `guide`; the Cached variant of either with `mini_batch_size`, or where `batch_size` is more than the memory holds), "
            "OnlineContrastiveLoss for labeled, CoSENTLoss for scored, SoftmaxLoss for nli, MarginMSELoss for distilled."
        ),
    )
    data: Shape | Literal["auto"] = Field(
        "auto",
        description=(
            "Kind of rows to train on (--format); auto: of a dataset folder triplets, or pairs when there are no triplets or the loss is HybridDistillLoss; of a plain file "
            "what its columns say."
        ),
    )
    guide: str | None = Field(
        None, description="Model (hub id or folder) that finds false negatives in each batch: GISTEmbedLoss (Solatorio 2024)."
    )
    distance: Literal["euclidean", "cosine"] = Field("euclidean", description="Distance of TripletLoss.")
    margin: float | None = Field(
        None,
        gt=0,
        description=(
            "Margin of TripletLoss; unset: 5 for Euclidean distances (1 where the model's vectors have length 1: none are further apart than 2), "
            "0.5 for cosine."
        ),
    )
    matryoshka_dims: tuple[int, ...] = Field(
        (),
        description=(
            "Shorter vectors that must work, too, such as [256, 128, 64]: each loss is also taken on the first so many dimensions "
            "(Kusupati et al. 2022); the model's own dimensions are always among them."
        ),
    )
    lora_rank: int | None = Field(
        None,
        ge=1,
        description="Train low-rank adapters of this rank instead of all weights (extra `lora`); they are merged into the weights on saving.",
    )
    lora_alpha: int | None = Field(None, ge=1, description="Scale of the adapters; unset: twice `lora_rank`.")
    base_share: float | None = Field(
        None,
        ge=0,
        lt=1,
        description=(
            "Share of the base model's weights in the finished model, which are averaged with the tuned ones (WiSE-FT, Wortsman et al. 2022): it keeps "
            "what the base knew. Unset: 0.25 for HybridDistillLoss, otherwise 0; 0 with `lora_rank` and from scratch."
        ),
    )
    trainings: int | None = Field(
        None,
        ge=1,
        le=20,
        description=(
            "Trainings from the same start, each with a seed of its own, whose weights are averaged (model soups, Wortsman et al. 2022): steadier than "
            "one, at so many times its cost. Unset: 3 for HybridDistillLoss, otherwise 1; 1 with `lora_rank` and from scratch."
        ),
    )
    query_prompt: str | None = Field(
        None,
        description="Text before every anchor; unset: the model's own, else that of its family (E5, BGE, Nomic); empty: none.",
    )
    passage_prompt: str | None = Field(None, description="Text before every passage; unset and empty as for `query_prompt`.")
    epochs: int = Field(
        1,
        ge=1,
        description=(
            "Passes over the training rows (of HybridDistillLoss: over the passages with up to three questions each, or sixty steps where that is more, "
            "with no passage in more than eight batches)."
        ),
    )
    max_steps: int | None = Field(None, ge=1, description="Stop after so many steps, whatever `epochs` says.")
    patience: int | None = Field(
        None, ge=1, description="Stop early after so many evaluations on dev without a better nDCG@10; unset: never."
    )
    batch_size: Annotated[int, Field(ge=2)] | Literal["auto"] = Field(
        32,
        description=(
            "Rows a step (of each process; of HybridDistillLoss: passages); each row's passages are the other rows' negatives. auto: as many as the memory holds, up to 256, "
            "with at least 20 steps an epoch."
        ),
    )
    mini_batch_size: int | None = Field(
        None,
        ge=1,
        description=(
            "Rows held in memory at once, however large `batch_size` is: the Cached losses (Gao et al. 2021), or gradient accumulation for "
            "losses without in-batch negatives; unset: the whole batch, or what the memory holds."
        ),
    )
    gradient_checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: about a third slower, much less memory."
    )
    length_grouping: bool = Field(
        True, description="Put rows of like length into one batch: a batch is as slow as its longest row."
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description=(
            "Peak learning rate; unset: 3e-5, 2e-5 or 1e-5 for models of up to 50, up to 200 and more million parameters (as E5 was fine-tuned, "
            "Wang et al. 2022), ten times that with `lora_rank`, 4.5 times with HybridDistillLoss."
        ),
    )
    warmup_ratio: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of the steps in which the learning rate rises; unset: 0.1, and 0.2 for models of more than 200 million parameters.",
    )
    max_seq_length: int | None = Field(
        None,
        ge=8,
        description=(
            "Tokens of a text that are read, in training and by the finished model; unset: the model's own limit, with training texts cut at the "
            "99th percentile of their own lengths."
        ),
    )
    dev_share: float = Field(
        0,
        ge=0,
        lt=1,
        description=(
            "Share of a plain file's rows that is held out to choose the checkpoint by, in whole groups of rows that share anchors or positives; rows that a column `split` "
            "calls `dev` are taken instead. A dataset folder has its own dev set."
        ),
    )
    evaluate_every: int | None = Field(
        None, ge=1, description="Steps between evaluations on dev, each with a checkpoint; unset: once an epoch."
    )
    sweep_epochs: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 3, 10), description="Epochs that --sweep tries.")
    sweep_learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), description="Learning rates that --sweep tries; unset: half, once and three times the default of the model's size."
    )
    strict: bool = Field(False, description="Refuse to train where a warning before training stands (--strict).")
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = Field(
        (),
        description="Where losses and dev metrics are also logged (--report-to); TensorBoard files lie in the model folder's `runs`.",
    )
    splits: Literal["train", "all"] = Field(
        "train",
        description="all: train on the dev and test rows of a dataset folder, too (--refit); nothing is left to choose a checkpoint by.",
    )
    limit: int | None = Field(None, ge=2, description="At most this many training rows, chosen by hash of seed and row.")
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the order of rows, of dropout and of new weights.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 on a GPU or processor that multiplies it, else fp16 on a GPU, else fp32."
    )
    encode_batch_size: int = Field(64, ge=1, description="Texts embedded at once in evaluations.")


class CheckerSettings(Section):
    """Questions with passages and labels in, a checker out that scores whether a passage answers a question."""

    kind: Literal["cross-encoder", "sentences"] = Field(
        "cross-encoder",
        description=(
            "cross-encoder: reads question and passage together, wants a GPU and thousands of rows; sentences: weighs how the best sentence meets "
            "the question, fitted in minutes on a CPU (of the settings below it uses dev_share, limit, seed and device)."
        ),
    )
    epochs: int = Field(2, ge=1, description="Passes over the training rows; the best one by dev ROC-AUC is kept.")
    max_steps: int | None = Field(None, ge=1, description="Stop after so many steps, whatever `epochs` says.")
    batch_size: int = Field(16, ge=1, description="Rows a step.")
    learning_rate: float = Field(5e-5, gt=0, description="Peak learning rate.")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises.")
    max_seq_length: int = Field(
        256, ge=8, description="Tokens of question and passage together that are read; the rest is cut off."
    )
    dev_share: float = Field(
        0.15, gt=0, lt=1, description="Share of the rows, by whole documents, that chooses the epoch and threshold."
    )
    limit: int | None = Field(None, ge=2, description="At most this many rows, chosen by hash of seed and row.")
    seed: int = Field(13, ge=0, lt=2**32, description="Seed of the new head, the dev documents, the order of rows and dropout.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 on a GPU or processor that multiplies it, else fp16 on a GPU, else fp32."
    )
    encode_batch_size: int = Field(64, ge=1, description="Pairs scored at once on dev.")
