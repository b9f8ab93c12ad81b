from __future__ import annotations

import numpy as np
import pytest
import torch

from dinobench.training.optimizers import Lars
from tests.golden.conftest import load_golden


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_every_step(dtype, tolerance):
    golden = load_golden("lars")
    settings = golden.settings
    tensors = {
        name: torch.from_numpy(value).to(dtype).requires_grad_() for name, value in golden.under("init/").items()
    }
    groups = [
        {"params": [tensors[name] for name in group["names"]], "weight_decay": group["weight_decay"]}
        for group in settings["groups"]
    ]
    optimizer = Lars(groups, momentum=settings["momentum"], eta=settings["eta"])
    for step, lr in enumerate(settings["lr_of_step"]):
        for name, gradient in golden.under(f"step{step}/grad/").items():
            tensors[name].grad = torch.from_numpy(gradient).to(dtype)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        for name, expected in golden.under(f"step{step}/param/").items():
            np.testing.assert_allclose(tensors[name].detach().numpy(), expected, rtol=tolerance, atol=tolerance)
    for name, expected in golden.under(f"step{len(settings['lr_of_step']) - 1}/momentum_buffer/").items():
        buffer = optimizer.state[tensors[name]]["momentum_buffer"]
        np.testing.assert_allclose(buffer.numpy(), expected, rtol=tolerance, atol=tolerance)
