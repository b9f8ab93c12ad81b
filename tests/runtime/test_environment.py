"""What stands in the environment by mistake is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dinobench.data.open import dataset_root
from dinobench.runtime.cache import cache_folder
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path
from dinobench.runtime.launch import launched
from dinobench.runtime.processes import process_group


@pytest.mark.parametrize(
    "variables", [{"WORLD_SIZE": "abc"}, {"WORLD_SIZE": "0"}, {"RANK": "x"}, {"RANK": "2", "WORLD_SIZE": "2"}]
)
def test_a_group_that_is_none(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="torchrun"):
        launched()


@pytest.mark.parametrize(
    "variables, found",
    [({}, (0, 1)), ({"WORLD_SIZE": ""}, (0, 1)), ({"RANK": "1", "WORLD_SIZE": "4"}, (1, 4))],
)
def test_a_group_that_is_one(
    variables: dict[str, str], found: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launched() == found


def test_a_size_without_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="use torchrun"), process_group(torch.device("cpu")):
        pass


def test_homes_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOBENCH_CACHE", "~nobody-here/x")
    for wanted in (cache_folder, lambda: dataset_root("~nobody-here/x"), lambda: user_path("~nobody-here")):
        with pytest.raises(InputError, match="full path"):
            wanted()
    assert user_path("~") == Path.home()
