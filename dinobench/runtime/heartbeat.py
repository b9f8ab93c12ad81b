"""Signs of life between processes."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch._C._distributed_c10d import Store

from dinobench.runtime.living import has_ended, running_system

BEAT_SECONDS = 1.0
SILENT_BEATS = 20  # without a sign of life: a process of another machine is gone
AWAY = -1  # in place of the count
_LAST_SECONDS = 5.0  # in which a sign under way is given


@dataclass(frozen=True)
class Sign:
    """What a process says of itself every second.

    Attributes:
        count: of its signs so far, 0 at first; `AWAY` when it has left a group.
        number: of the process in its system.
        system: as `running_system`.
    """

    count: int
    number: int
    system: str


class Patience:
    """How long another process is waited for.

    One of the same machine is gone when it has ended, however long it was silent: a busy machine, or a computation
    that holds Python's lock, keeps signs back. One of another machine is gone after a silence, counted in signs of this
    process, so that a machine that sleeps does not count.

    Args:
        looked_after: one that was never heard, or has left and may come again, comes as late as it comes; nor does
            silence count after a first sign alone.
    """

    def __init__(self, looked_after: bool) -> None:
        self._since, self._asked, self._ended = 0, -1, False
        self._heard: Sign | None = None
        self._looked_after = looked_after

    def lost(self, own: int, sign: Callable[[], Sign | None]) -> str:
        """By what it is known to be gone, after `own` signs of this process; "" as long as it is not.

        It is called gone at the second look, for it may have said something last.
        """
        if own == self._asked:
            return ""
        self._asked, heard = own, sign()
        absent = self._looked_after and (heard is None or heard.count == AWAY)
        if not absent and heard is not None and heard.system == running_system():
            before, self._ended = self._ended, has_ended(heard.number)
            return "has ended without a word" if before and self._ended else ""
        if heard != self._heard:
            self._since, self._heard = own, heard
        waits = absent or (self._looked_after and heard is not None and heard.count == 0)
        silent = own - self._since > SILENT_BEATS and not waits
        return f"gives no sign of life for {SILENT_BEATS * BEAT_SECONDS:.0f} s" if silent else ""


def sign_of(store: Store, other: int) -> Sign | None:
    """The last sign of life of process `other`; None before its first."""
    key = f"beat/{other}"
    if not store.check([key]):
        return None
    count, number, system = store.get(key).decode().split(" ", 2)
    return Sign(int(count), int(number), system)


class Heartbeat:
    """A sign of life every second, given by a thread.

    Args:
        store: where signs are left, which outlives this.
        rank: of this process.
        beats: without it there is no thread, and the one sign says which process this is.
    """

    def __init__(self, store: Store, rank: int, *, beats: bool = True) -> None:
        self._store, self._key, self._ended = store, f"beat/{rank}", threading.Event()
        self._given = 0
        self._give_sign()
        self._thread = threading.Thread(target=self._beat_until_ended, daemon=True) if beats else None
        if self._thread is not None:
            self._thread.start()

    @property
    def count(self) -> int:
        """Signs that this process gave; seconds of a clock where it gives none."""
        return int(time.monotonic() / BEAT_SECONDS) if self._thread is None else self._given

    def stop(self) -> None:
        """No more signs for now."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)
        self._given = AWAY
        self._give_sign()

    def _beat_until_ended(self) -> None:
        with contextlib.suppress(RuntimeError):  # the store's host is gone; who waits finds out by itself
            while not self._ended.wait(BEAT_SECONDS):
                self._given += 1
                self._give_sign()

    def _give_sign(self) -> None:
        self._store.set(self._key, f"{self._given} {os.getpid()} {running_system()}")
