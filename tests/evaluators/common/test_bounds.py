"""Counts among the settings."""

from __future__ import annotations

import pytest

from dinobench.evaluators.common.bounds import check_counts
from dinobench.runtime.errors import InputError


@pytest.mark.parametrize(("name", "value"), [("top", -1), ("top", 2.5), ("ks", [1, 0]), ("ks", ["a"]), ("top", True)])
def test_what_is_no_count_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"{name} = .* makes no sense; give whole numbers, at least"):
        check_counts({"top": 5, "ks": [1], name: value}, top=0, ks=1)


def test_counts_pass() -> None:
    check_counts({"top": 0, "ks": [1, 5]}, top=0, ks=1)
