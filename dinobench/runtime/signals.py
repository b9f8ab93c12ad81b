"""Ctrl-C and SIGTERM, taken at a moment when nothing is lost."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class StoppedError(Exception):
    """A signal ended the work; everything up to then is saved.

    Attributes:
        number: of the signal; the process ends with 128 + number, as shells expect.
        step: at which the work goes on.
    """

    def __init__(self, number: int, step: int) -> None:
        super().__init__(number, step)
        self.number, self.step = number, step

    def __str__(self) -> str:
        return f"stopped at step {self.step}; the same command continues there"


class StopSignals:
    """Within, the first SIGINT or SIGTERM is noted instead of obeyed; a second one is obeyed at once.

    A handler that another tool has set (a launcher that requeues its job) stays in its place.

    Attributes:
        number: of the signal that came, 0 for none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        """Set the handlers, where they are Python's own."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._note_signal)
        return self

    def __exit__(self, *error: object) -> None:
        """Set the former handlers again."""
        self._restore_handlers()

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
