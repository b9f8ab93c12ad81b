"""The compiled forward pass against the plain one."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from dinobench.features.compiled import Compiled
from dinobench.features.extract import Extractor, feature_batches
from dinobench.features.loading import in_chunks
from dinobench.features.names import parse_feature
from dinobench.runtime.errors import InputError
from tests.features.conftest import PREPROCESSING


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_features_equal_the_plain_ones_also_in_the_last_smaller_batch(backbone, images):
    chunks = in_chunks(np.arange(len(images)), 7)
    assert len(chunks[-1]) < len(chunks[0])
    columns = parse_feature("cls")
    found = [
        torch.cat([batch.columns[columns[0]] for batch in feature_batches(network, images, chunks)])
        for compiled in (False, True)
        for network in [Extractor(backbone, PREPROCESSING, columns, torch.device("cpu"), compiled=compiled)]
    ]
    torch.testing.assert_close(found[1], found[0])


def test_without_a_compiler_one_line_says_what_to_do(monkeypatch):
    def broken(forward, **_):
        def fail(images):
            raise RuntimeError("no C++ compiler\nand a long trace")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(InputError, match=r"RuntimeError: no C\+\+ compiler\); install .* --set compile=true$"):
        Compiled(lambda images: (images,))(torch.zeros(1))
