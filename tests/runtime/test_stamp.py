import datetime

import torch

from dinobench.runtime.clock import Clock, peak_memory_bytes
from dinobench.runtime.stamp import current_time, environment, package_versions


def test_the_stamp_names_what_can_move_a_figure() -> None:
    assert package_versions()["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"python", "platform", "packages", "git_commit"} <= environment().keys()
    assert {"cpu", "cpu_instructions"} <= environment()["processor"].keys()


def test_now_is_utc() -> None:
    assert datetime.datetime.fromisoformat(current_time()).utcoffset() == datetime.timedelta(0)


def test_phases_add_up() -> None:
    clock = Clock()
    for _ in range(2):
        with clock.phase("search"):
            pass
    assert list(clock.seconds) == ["search"]
    assert clock.seconds["search"] > 0


def test_peak_memory_is_in_bytes() -> None:
    assert peak_memory_bytes() > 10 * 2**20
