from __future__ import annotations

import pytest

from dinobench.runtime import console


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3599.7, "1 h 0 min"), (9000, "2 h 30 min")]
)
def test_durations(seconds, said):
    assert console.duration(seconds) == said


@pytest.mark.parametrize("sized", [True, False])
def test_a_log_gets_a_line_a_minute(monkeypatch, capsys, sized):
    now = iter(range(0, 10_000, 25))  # an item takes 25 seconds
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    items = list(range(8))
    assert list(console.progress(items if sized else iter(items), "images")) == items
    lines = capsys.readouterr().err.splitlines()
    wanted = ["images: 2 of 8, 3 min 45 s left", "images: 5 of 8, 1 min 30 s left"]
    assert lines == (wanted if sized else ["images: 2", "images: 5"])


def test_short_work_says_nothing(capsys):
    assert list(console.progress(range(5), "images")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""
