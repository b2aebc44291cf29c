"""Low-rank adapters (Hu et al. 2021) by peft: small checkpoints while training, merged into the weights at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.errors import TrainingError
from schemas.training import TrainSettings
from train.models import third_party

INSTALL = 'pip install "curate-embeddings[lora]"'
WEIGHTS = "trained.safetensors"


def add_adapters(model: Any, settings: TrainSettings) -> str:
    """Put adapters beside every linear layer of the model and freeze the rest; says how much is trained.

    The layers are changed in place, so that the model is still what sentence-transformers knows. Raises TrainingError without peft, or
    when the model has no linear layers.
    """
    peft = _peft()
    rank = settings.lora_rank or 1
    inner = getattr(model[0], "auto_model", None) or getattr(model[0], "model", None)
    config = peft.LoraConfig(r=rank, lora_alpha=settings.lora_alpha or 2 * rank, target_modules="all-linear")
    third_party("torch").manual_seed(settings.seed)
    try:
        peft.inject_adapter_in_model(config, inner)
    except (AttributeError, TypeError, ValueError) as error:
        raise TrainingError(f"adapters do not fit this model: {error}", next_step="leave lora_rank out") from error
    trained = sum(int(weights.numel()) for weights in model.parameters() if weights.requires_grad)
    whole = sum(int(weights.numel()) for weights in model.parameters())
    return f"Adapters of rank {rank}: {trained:,} of {whole:,} weights are trained; they are merged into the model at the end."


def merge_adapters(model: Any) -> None:
    """Add the adapters to the weights and take them out: the model is as it was made, to be loaded anywhere."""
    layer: Any = third_party("peft.tuners.tuners_utils").BaseTunerLayer
    for name, module in [(name, module) for name, module in model.named_modules() if isinstance(module, layer)]:
        module.merge()
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, module.get_base_layer())
    model.requires_grad_(True)


def save_trained(model: Any, folder: Path) -> None:
    """Write the weights that are trained."""
    trained = {name: weights.detach().cpu().contiguous() for name, weights in model.named_parameters() if weights.requires_grad}
    third_party("safetensors.torch").save_file(trained, str(folder / WEIGHTS))


def load_trained(model: Any, folder: Path) -> None:
    """Read what `save_trained` wrote into a model with adapters."""
    found = third_party("safetensors.torch").load_file(str(folder / WEIGHTS))
    unknown = model.load_state_dict(found, strict=False).unexpected_keys
    if unknown:
        raise TrainingError("the checkpoint is of other adapters", where=str(folder), next_step="train again into another folder")


def _peft() -> Any:
    try:
        return third_party("peft")
    except TrainingError as error:
        raise TrainingError(error.what, where="train.lora_rank", next_step=INSTALL) from error
