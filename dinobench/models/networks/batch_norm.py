"""Networks whose answer to an image depends on the other images of the batch."""

from __future__ import annotations

from torch import nn

KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def has_batch_norm(network: nn.Module) -> bool:
    """Whether a layer normalizes over the images of a batch while the network is trained."""
    return any(isinstance(module, KINDS) for module in network.modules())
