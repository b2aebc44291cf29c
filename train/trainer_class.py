"""The library's trainer with our batches, and checkpoints that hold all that is trained: the loss's own weights and adapters, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.lora import load_trained, save_trained
from train.models import third_party
from train.plan import Plan
from train.sampler import batch_sampler

LOSS_WEIGHTS = "loss.safetensors"


def trainer_class(library: Any, plan: Plan, *, lora: bool = False) -> Any:
    """A subclass of SentenceTransformerTrainer for one plan."""

    class Trainer(library.SentenceTransformerTrainer):  # type: ignore[misc]
        """Without the library's model card: it samples and tokenises the data for examples that `train.model_card` does not show."""

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            del default_args_dict

        def get_data_collator(self, *args: Any, **kwargs: Any) -> Any:
            collator = super().get_data_collator(*args, **kwargs)
            if hasattr(collator, "max_length"):
                collator.max_length = plan.max_length
            return collator

        def get_batch_sampler(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return batch_sampler(plan.batches, dataset, *args, **kwargs)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            folder = Path(output_dir or self.args.output_dir)
            if lora:
                folder.mkdir(parents=True, exist_ok=True)
                save_trained(self.model, folder)
            else:
                super()._save(output_dir, state_dict)
            if own := _own(self.loss):
                own = {name: weights.detach().cpu().contiguous() for name, weights in own.items()}
                third_party("safetensors.torch").save_file(own, str(folder / LOSS_WEIGHTS))

        def _load_from_checkpoint(self, resume_from_checkpoint: str, *_: Any) -> None:
            folder = Path(resume_from_checkpoint)
            if lora:
                load_trained(self.model, folder)
            else:
                super()._load_from_checkpoint(resume_from_checkpoint)
            if (folder / LOSS_WEIGHTS).is_file():
                found = third_party("safetensors.torch").load_file(str(folder / LOSS_WEIGHTS))
                torch = third_party("torch")
                with torch.no_grad():
                    for name, weights in _own(self.loss).items():
                        weights.copy_(found[name])

    return Trainer


def _own(loss: Any) -> dict[str, Any]:
    """Weights of a loss that are neither the model's nor the guide's."""
    others = ("model.", "guide.", "loss.model.", "loss.guide.")
    return {name: weights for name, weights in loss.named_parameters() if not name.startswith(others)}
