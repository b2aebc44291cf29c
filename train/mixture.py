"""The base model's weights and the tuned ones averaged (WiSE-FT, Wortsman et al. 2109.01903): what the base knew is kept where tuning teaches nothing better."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from train.models import third_party


class Mixture:
    """`share` of the base model's weights, the rest of the tuned model's; with a share of 0 nothing changes, and nothing is held."""

    def __init__(self, base: Any, share: float) -> None:
        self.share = share
        self._base = _kept(base) if share else {}

    def mix(self, tuned: Any) -> None:
        """Bring the base model's share into the model's weights."""
        torch = third_party("torch")
        with torch.no_grad():
            for name, weights in learnt(tuned):
                if name in self._base:
                    base = self._base[name].to(device=weights.device)
                    weights.copy_(torch.lerp(weights.float(), base.float(), self.share))

    @contextmanager
    def mixed(self, tuned: Any) -> Iterator[None]:
        """The model as it will be when mixed; afterwards its weights are what they were, to the bit."""
        before = _kept(tuned) if self.share else {}
        self.mix(tuned)
        try:
            yield
        finally:
            with third_party("torch").no_grad():
                for name, weights in learnt(tuned):
                    if name in before:
                        weights.copy_(before[name])


def learnt(model: Any) -> Iterator[tuple[str, Any]]:
    """The names and tensors of all that is learnt; counters and positions are whole numbers."""
    return ((name, tensor) for name, tensor in model.state_dict().items() if tensor.is_floating_point())


def _kept(model: Any) -> dict[str, Any]:
    # A copy even where the weights are on the processor already.
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in learnt(model)}
