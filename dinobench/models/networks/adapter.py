"""What every foreign network's adapter shares: the network inside, its own names outside."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dinobench.models.networks.backbone import Backbone, Features
from dinobench.runtime.errors import InputError

INNER = "network."


class Adapter(Backbone):
    """A backbone round somebody else's module, whose state dict keeps that module's own names.

    So a ResNet-50 trained here is saved as `backbone.conv1.weight`, as the released tools expect it.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_state_dict_post_hook(_hide_inner)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_inner)  # type: ignore[no-untyped-call]

    def attention(self, images: Tensor) -> Tensor:
        """See `Backbone`; most networks have none."""
        name = type(self.network).__name__
        raise InputError(f"{name} has no self-attention over a class token; use a vision transformer")

    def last_features(self, images: Tensor) -> Features:
        """Features of the last level, for networks that offer just one."""
        raise NotImplementedError

    def intermediate_layers(self, images: Tensor, n: int = 1) -> tuple[Features, ...]:
        """See `Backbone`; a convnet has one level."""
        if n != 1:
            raise InputError(f"{type(self.network).__name__} has one level of features, not {n}; ask for the last")
        return (self.last_features(images),)


def _hide_inner(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    inner = prefix + INNER
    for key in [key for key in state if key.startswith(inner)]:
        state[prefix + key.removeprefix(inner)] = state.pop(key)


def _add_inner(module: nn.Module, state: dict[str, Any], prefix: str, *rest: object) -> None:
    own = [key for key in state if key.startswith(prefix)]
    if all(key.startswith(prefix + INNER) for key in own):  # timm's volo calls one of its own parts so, but not all
        return
    for key in own:
        state[prefix + INNER + key.removeprefix(prefix)] = state.pop(key)
