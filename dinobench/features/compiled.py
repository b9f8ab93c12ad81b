"""A frozen forward pass through torch.compile: slow to begin, faster ever after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from dinobench.runtime.compiler import needs_compiler

Result = TypeVar("Result")


class Compiled(Generic[Result]):
    """`forward`, compiled for the shape of the first images it sees; other shapes run as they are.

    Every new shape would cost another compilation, half a minute on two cores, and in a pass over a data set only the
    last batch has one.

    Args:
        forward: of a network in eval mode whose weights change no more: they become constants of the compiled code.

    Raises:
        InputError: on the first call, where there is no compiler.
    """

    def __init__(self, forward: Callable[[Tensor], Result]) -> None:
        self._plain = forward
        self._compiled: Callable[[Tensor], Result] = torch.compile(forward, dynamic=False)
        self._shape: torch.Size | None = None

    def __call__(self, images: Tensor) -> Result:
        """What `forward` gives, to rounding."""
        if self._shape is None:
            self._shape = images.shape
            return self._first_call(images)
        return self._compiled(images) if images.shape == self._shape else self._plain(images)

    def _first_call(self, images: Tensor) -> Result:
        import torch._inductor.config as inductor

        # Freezing packs the weights for the CPU's kernels, which is most of the gain. It must be on while dynamo
        # traces: torch.compile's own `options` set it too late.
        with needs_compiler(), inductor.patch(freezing=True):
            return self._compiled(images)
