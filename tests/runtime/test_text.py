from __future__ import annotations

from dinobench.runtime.text import first_few


def test_the_first_names_and_the_number_of_the_others() -> None:
    assert first_few([]) == ""
    assert first_few(["a", "b", "c"]) == "a, b, c"
    assert first_few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert first_few(["a", "b"], 1) == "a and 1 more"
