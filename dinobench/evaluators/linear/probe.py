"""The linear probe's training loop: every head of every feature from one pass over the images, resumed by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dinobench.evaluators.common import checkpoint
from dinobench.evaluators.linear.epochs import Epoch
from dinobench.evaluators.linear.heads import LinearHeads
from dinobench.evaluators.linear.sharing import my_features, owner_of
from dinobench.runtime.console import progress
from dinobench.runtime.processes import agree, gather_objects, rank


@dataclass(frozen=True)
class LabeledRows:
    """Fixed features to score on: by feature name (M, D), and labels (M,)."""

    features: Mapping[str, Tensor]
    labels: Tensor

    def to(self, device: torch.device) -> LabeledRows:
        """On another device."""
        features = {name: rows.to(device) for name, rows in self.features.items()}
        return LabeledRows(features, self.labels.to(device))


@dataclass
class ProbeProgress:
    """What a probe knows of its heads after each epoch.

    Attributes:
        val, held_out: (epochs so far, all heads) percentages right.
        best: (M,) bool, right or wrong of the best head at its best epoch on the validation images.
    """

    val: Tensor
    held_out: Tensor
    best: Tensor

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.val)


class Probe:
    """Heads for every feature and learning rate.

    Args:
        dims: width of each feature by name.
        classes: C.
        rates: learning rates, already scaled to the batch.
        epochs: the rates follow a cosine to zero, constant within an epoch.
        device: where the heads lie.
        seed: of their initial weights.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        classes: int,
        rates: Sequence[float],
        epochs: int,
        device: torch.device,
        seed: int,
    ) -> None:
        self.heads = {name: LinearHeads(dim, classes, rates, device, seed) for name, dim in dims.items()}
        self.rates, self.epochs, self.device = list(rates), epochs, device
        none = torch.zeros(0, len(dims) * len(rates))
        self.progress = ProbeProgress(none, none, torch.zeros(0, dtype=torch.bool))

    def train(
        self,
        epoch_of: Epoch,
        val: LabeledRows,
        held_out: LabeledRows | None,
        path: Path,
        identity: Mapping[str, object],
        left_out: dict[int, str] | None = None,
    ) -> None:
        """Train to the last epoch, from where the file at `path` left off.

        Of several processes each trains the heads of some features, and has all of them after every epoch.

        Args:
            epoch_of: batches of an epoch.
            val: to report on.
            held_out: to choose by, if any.
            path: state, written after every epoch.
            identity: of the run; a file of another one is refused.
            left_out: lines on images that the epochs could not read, by index; kept in the state and filled from it.
        """
        left_out = {} if left_out is None else left_out
        self._resume_from(path, identity, left_out)
        agree(self.progress.epochs, "epochs of the probe's state", "keep --output on a disk that all processes see")
        own = my_features(list(self.heads))
        val, held_out = val.to(self.device), held_out and held_out.to(self.device)
        for epoch in progress(range(self.progress.epochs, self.epochs), "linear probe"):
            factor = (1 + math.cos(math.pi * epoch / self.epochs)) / 2
            label = f"epoch {epoch + 1} of {self.epochs}, images"
            for features, labels in progress(epoch_of(epoch), label, size=lambda batch: len(batch[1])):
                for name in own:
                    self.heads[name].step(features[name].to(self.device), labels.to(self.device), factor)
            for number, heads in enumerate(self.heads.values()):
                heads.copy_from(owner_of(number))
            self._score_heads(val, held_out)
            if rank() == 0:
                checkpoint.save(path, identity, {**self._state_dict(), "left_out": dict(left_out)})

    def named(self, number: int) -> tuple[str, int]:
        """Feature and place among its rates of a head counted over all."""
        return list(self.heads)[number // len(self.rates)], number % len(self.rates)

    def _score_heads(self, val: LabeledRows, held_out: LabeledRows | None) -> None:
        right = self._right_rows(val)
        shares = _as_percent(right)
        before = self.progress.val
        if not before.numel() or shares.max() > before.max():
            self.progress.best = right[int(shares.argmax())]
        self.progress.val = torch.cat([before, shares[None]])
        if held_out is not None:
            self.progress.held_out = torch.cat([self.progress.held_out, _as_percent(self._right_rows(held_out))[None]])

    def _right_rows(self, rows: LabeledRows) -> Tensor:
        """(heads, M) bool, in every process; each looks at the heads that it trained."""
        own = {
            name: self.heads[name].correct(rows.features[name], rows.labels) for name in my_features(list(self.heads))
        }
        found = {name: right for part in gather_objects(own, "right answers") for name, right in part.items()}
        return torch.cat([found[name] for name in self.heads])

    def _state_dict(self) -> dict[str, object]:
        heads = {name: heads.state() for name, heads in self.heads.items()}
        return {"heads": heads, **vars(self.progress)}

    def _resume_from(self, path: Path, identity: Mapping[str, object], left_out: dict[int, str]) -> None:
        state = checkpoint.load(path, identity)
        if state is None:
            return
        for name, heads in self.heads.items():
            heads.restore(state["heads"][name])
        left_out.update(state.get("left_out", {}))
        self.progress = ProbeProgress(state["val"], state["held_out"], state["best"])


def _as_percent(right: Tensor) -> Tensor:
    return 100 * right.float().mean(1)
