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
    wanted = ["images: 1 of 8, 2 min 55 s left", "images: 4 of 8, 1 min 40 s left", "images: 7 of 8, 25 s left"]
    assert lines == (wanted if sized else ["images: 4", "images: 7"])


def test_batches_are_counted_by_their_images(monkeypatch, capsys):
    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    list(console.progress([[1, 2, 3], [4]], "images", 8, len))
    assert capsys.readouterr().err.splitlines() == [
        "images: 3 of 8, 2 min 47 s left",
        "images: 4 of 8, 3 min 20 s left",
    ]


@pytest.mark.parametrize("columns", [0, 40, 200])
def test_a_terminal_of_any_width_has_a_bar_at_once(monkeypatch, capsys, columns):
    monkeypatch.setattr(console, "_has_bars", lambda: True)
    monkeypatch.setattr(console, "_width", lambda: columns)
    monkeypatch.setenv("COLUMNS", str(columns or 0))
    steps = console.progress([[1, 2], [3]], "images", 3, len)
    next(steps)
    assert "images:   0%" in capsys.readouterr().err
    assert list(steps) == [[3]]


def test_short_work_says_nothing(capsys):
    assert list(console.progress(range(5), "images")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""
