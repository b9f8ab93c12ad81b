"""Descriptors of a network: whose they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dinobench.evaluators.common.ranking.descriptors import Describer, square
from tests.evaluators.toys import context, write_copydays


@pytest.mark.parametrize("fact", [{"heads": "6"}, {"norm_eps": "1e-5"}, {"resize": "timm"}])
def test_networks_that_differ_in_what_the_tensors_do_not_say_have_descriptors_of_their_own(
    fact: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", str(tmp_path / "cache"))
    given = context("copydays", "paper", write_copydays(tmp_path), tmp_path / "output")
    images = given.dataset("original")
    Describer(given, "cls", 4.0).describe(images, square(16))
    given.model = dataclasses.replace(given.model, identity_facts=fact)
    Describer(given, "cls", 4.0).describe(images, square(16))
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2
