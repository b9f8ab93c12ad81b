"""A short run of the fuzzer: each reader on a few damaged files, in this process; and the harness itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dinobench.runtime.errors import InputError
from tests.fuzz.campaign import Attack, attack
from tests.fuzz.mutations import mutated
from tests.fuzz.readers import READERS

MUTATIONS = 60
SHORT = 15  # of readers that take milliseconds for each file
_SLOW = {"torch zip", "torch legacy", "task card", "model card", "parquet"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_results_or_one_line(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path = tmp_path / reader.name
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = reader.content()
    path.write_bytes(sound)
    reader.read(path)
    for number in range(SHORT if name in _SLOW else MUTATIONS):
        path.write_bytes(mutated(sound, random.Random(f"0 {name} {number}")))
        try:
            reader.read(path)
        except InputError as error:
            assert "\n" not in str(error)


def test_the_child_goes_on_behind_what_ends_it() -> None:
    assert attack("log", 20, seed=0) == Attack(20, [])
