from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dinobench.evaluators.linear.heads import LinearHeads

CPU = torch.device("cpu")


def _batches(steps=6, rows=10, dim=5, classes=3):
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(rows, dim, generator=generator), torch.randint(classes, (rows,), generator=generator))
        for _ in range(steps)
    ]


def test_every_head_trains_as_alone_under_torch_sgd():
    rates = [0.01, 0.3, 2.0]
    heads = LinearHeads(5, 3, rates, CPU, seed=4)
    lone = []
    for number, rate in enumerate(rates):
        layer = nn.Linear(5, 3)
        with torch.no_grad():
            layer.weight.copy_(heads.head(number).weight)
            layer.bias.zero_()
        optimizer = torch.optim.SGD(layer.parameters(), rate, momentum=0.9)
        for epoch, (x, y) in enumerate(_batches()):
            optimizer.param_groups[0]["lr"] = rate / (1 + epoch)
            optimizer.zero_grad()
            cross_entropy(layer(x), y).backward()
            optimizer.step()
        lone.append(layer)
    for epoch, (x, y) in enumerate(_batches()):
        heads.step(x, y, 1 / (1 + epoch))
    for number, layer in enumerate(lone):
        torch.testing.assert_close(heads.head(number).weight, layer.weight.detach())
        torch.testing.assert_close(heads.head(number).bias, layer.bias.detach())
    x, y = _batches()[0]
    wanted = torch.stack([layer(x).argmax(1) == y for layer in lone])
    assert torch.equal(heads.correct(x, y), wanted)


def test_restored_heads_go_on_exactly():
    whole, first, second = (LinearHeads(5, 3, [0.1, 1.0], CPU, seed) for seed in (0, 0, 9))
    batches = _batches()
    for x, y in batches:
        whole.step(x, y, 1.0)
    for x, y in batches[:3]:
        first.step(x, y, 1.0)
    second.restore(first.state())
    for x, y in batches[3:]:
        second.step(x, y, 1.0)
    assert torch.equal(whole.weight, second.weight)


def test_a_head_that_blew_up_is_never_right():
    heads = LinearHeads(5, 3, [0.1, 1.0], CPU)
    heads.weight[3:] = float("nan")
    x, y = _batches(rows=100)[0]
    assert heads.correct(x, y)[0].any()
    assert not heads.correct(x, y)[1].any()
