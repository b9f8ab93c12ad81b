"""Signs of life between processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from torch._C._distributed_c10d import Store

BEAT_SECONDS = 1.0
SILENT_BEATS = 20  # without a sign of life: the process is gone


class Patience:
    """How long another process has been silent, in beats of this one: a machine that sleeps does not count.

    Args:
        looked_after: one that was never heard has not come yet, and may take as long as it takes.
    """

    def __init__(self, looked_after: bool) -> None:
        self._since, self._heard, self._asked = 0, -1, -1
        self._looked_after = looked_after

    def exhausted(self, own: int, beats: Callable[[], int]) -> bool:
        """Whether it is gone, after `own` beats of this process; `beats` counts those of the other."""
        if own == self._asked:
            return False
        self._asked, heard = own, beats()
        if heard != self._heard:
            self._since, self._heard = own, heard
        return own - self._since > SILENT_BEATS and not (heard == 0 and self._looked_after)


def heartbeat_count(store: Store, other: int) -> int:
    """Signs of life that process `other` gave so far."""
    key = f"beat/{other}"
    return int(store.get(key)) if store.check([key]) else 0


class Heartbeat:
    """A thread that gives a sign of life every second."""

    def __init__(self, store: Store, rank: int) -> None:
        self.count = 0
        self._store, self._key, self._ended = store, f"beat/{rank}", threading.Event()
        threading.Thread(target=self._beat_until_ended, daemon=True).start()

    def stop(self) -> None:
        """No more beats."""
        self._ended.set()

    def _beat_until_ended(self) -> None:
        with contextlib.suppress(RuntimeError):  # the store's host is gone; who waits finds out by itself
            while not self._ended.wait(BEAT_SECONDS):
                self.count += 1
                self._store.set(self._key, str(self.count))
