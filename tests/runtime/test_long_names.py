from __future__ import annotations

import pytest

from dinobench.pipeline.plan import make_plan
from dinobench.runtime.errors import InputError
from dinobench.runtime.files import user_path

LONG = "a" * 256


@pytest.mark.parametrize("text", [LONG, f"data/{LONG}/x", "é" * 128, "x\0y"])
def test_a_name_that_no_file_system_takes_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="is not a path") as caught:
        user_path(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 150


def test_models_and_data_of_such_names_are_refused() -> None:
    with pytest.raises(InputError, match="is not a path"):
        make_plan("knn", LONG)
    assert user_path(LONG[:255]).name == LONG[:255]
