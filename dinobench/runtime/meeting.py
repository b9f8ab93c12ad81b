"""Where processes meet: a key-value store instead of a collective, so that one that fails can still tell the others."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch.distributed as dist
from torch._C._distributed_c10d import Store

from dinobench.runtime.errors import InputError, ProcessError, RunFailedError
from dinobench.runtime.failures import Failure, failure_of
from dinobench.runtime.heartbeat import BEAT_SECONDS, Heartbeat, Patience, sign_of
from dinobench.runtime.signals import StoppedError

FAREWELL_SECONDS = 5.0
PIECE = 4 << 20  # bytes of a value that go at once; torch's store refuses more than 8 MiB
_SHORTEST, _LONGEST = 0.0005, 0.05  # seconds between two looks


class Meeting:
    """Exchange of values between all processes, each under its task and its number in order.

    A failure answers every exchange that its process did not come to. Waiting has no limit: a process that works takes
    as long as it takes; one that has ended, or on another machine gives no sign of life any more, is gone.

    Args:
        signs: store of the processes' signs of life, which outlives the meeting; by default the meeting's own.
        beats: whether a thread gives signs of life.
        looked_after: a launcher ends all when one ends, so that one that never came is waited for.

    Attributes:
        store: the key-value store, in which no other meeting has a key.
        rank: of this process.
        processes: how many there are.
        generation: how often the work began anew after a failure.
    """

    def __init__(
        self,
        store: Store,
        rank: int,
        processes: int,
        *,
        signs: Store | None = None,
        beats: bool = True,
        looked_after: bool = False,
    ) -> None:
        self.rank, self.processes, self.generation = rank, processes, 0
        self.store, self._sequence, self._tasks = store, 0, ["start"]
        self._signs = store if signs is None else signs
        self._beat = Heartbeat(self._signs.clone(), rank, beats=beats)
        self._left, self._written = threading.Event(), list[str]()
        self._looked, self._looked_after = 0.0, looked_after
        self._patience = {other: Patience(looked_after) for other in range(processes)}

    def exchange(self, what: str, value: object = None) -> list[Any]:
        """The values of all processes, in their order.

        Args:
            what: names the value; all processes must ask for the same.
            value: of this process.

        Raises:
            InputError, StoppedError, ProcessError: what another process failed by.
            RuntimeError: another process is elsewhere in its work: a fault of the program.
        """
        self._sequence += 1
        place = f"{self.generation}/{self._sequence}"
        mine = (self._tasks[-1], what)
        with _store_errors():
            written = self._put_value(f"{place}/{self.rank}", (mine, value))
            answers = [self._answer_of(f"{place}/{other}", other) for other in range(self.processes)]
            for key in self._written:  # which all have read
                self.store.delete_key(key)
            self._written = written
        for other, (asked, _) in enumerate(answers):
            if asked != mine:
                raise RuntimeError(
                    f"internal error: process {self.rank} is at {mine} and process {other} at {asked} "
                    f"(exchange {self._sequence}); please report it"
                )
        return [answer for _, answer in answers]

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Within, an error of one process ends the work of all: each raises it, a process without error at the end."""
        self._tasks.append(name)
        try:
            yield
            self.exchange("end of task")
        except BaseException as error:
            cause = self.explain_loss(error) if _is_lost_connection(error) else error
            first = self._tell_others(failure_of(self.rank, cause))
            if isinstance(cause, ProcessError) and first.rank != self.rank:
                raise first.raised() from error  # of which this error may be a consequence
            if cause is not error:
                raise cause from error
            raise
        finally:
            self._tasks.pop()

    def _tell_others(self, failure: Failure) -> Failure:
        """Tell the others; returns what the first process failed by."""
        try:
            first = self.first_failure() or failure
            self.tell(first)
        except dist.DistError:  # the process that holds the store is gone
            return failure
        return first

    def tell(self, failure: Failure) -> None:
        """Let the others know that this process does not go on."""
        if self.first_failure() is None:
            self._put_value(f"{self.generation}/first failure", failure)
        self._put_value(f"{self.generation}/failure/{self.rank}", failure)

    def first_failure(self) -> Failure | None:
        """What any process failed by first."""
        key = f"{self.generation}/first failure"
        return self._value_at(key) if self.store.check([key]) else None

    def look(self) -> None:
        """Raise what another process failed by, or that it is gone; cheap enough for every step of a loop."""
        now = time.monotonic()
        if now - self._looked < BEAT_SECONDS:
            return
        self._looked = now
        with _store_errors():
            first = self.first_failure()
            if first is None:
                for other in range(self.processes):
                    self._require_life(other)
        if first is not None:
            raise first.raised()

    def explain_loss(self, error: BaseException) -> Exception:
        """What another process failed by, or that it is gone, where `error` is a connection to it that broke."""
        end = time.monotonic() + FAREWELL_SECONDS
        try:
            while time.monotonic() < end:
                self.look()
                time.sleep(_LONGEST)
        except (InputError, RunFailedError, StoppedError, ProcessError) as found:
            return found
        reason = " ".join(str(error).split())
        return ProcessError(f"another process ended without a word ({reason:.200}); see its output")

    def call_on_failure(self, act: Callable[[], None]) -> None:
        """Call `act` once, from a thread, when any process fails or is silent: it ends waits that nobody else can end.

        Holds until the work begins anew.
        """
        key, stores = f"{self.generation}/first failure", (self.store.clone(), self._signs.clone())
        threading.Thread(target=self._look_out, args=(act, key, *stores), daemon=True).start()

    def _look_out(self, act: Callable[[], None], key: str, store: Store, signs: Store) -> None:
        patience = {other: Patience(self._looked_after) for other in range(self.processes) if other != self.rank}
        while not self._left.wait(BEAT_SECONDS):
            try:
                if store.check([key]) or any(self._lost(signs, *each) for each in patience.items()):
                    return act()
            except dist.DistError:  # the process that holds the store is gone
                return act()
        return None

    def _lost(self, signs: Store, other: int, patience: Patience) -> str:
        return patience.lost(self._beat.count, lambda: sign_of(signs, other))

    def begin_anew(self) -> None:
        """Forget a failure that ended the work in every process, once all are here."""
        self.generation, self._sequence = self.generation + 1, 0
        self.exchange("begin anew")

    def leave(self) -> None:
        """Say good-bye, and wait a little for the others, who may still have to read a failure.

        The first process, which may hold the store, goes last.
        """
        end = time.monotonic() + FAREWELL_SECONDS
        self._left.set()
        with contextlib.suppress(dist.DistError):
            self._await_all("left", end)
        with contextlib.suppress(dist.DistError):
            self._beat.stop()
            if self.rank:
                self.store.set(f"gone/{self.rank}", "")
            else:
                self._await_all("gone", end)

    def _await_all(self, what: str, end: float) -> None:
        keys = [f"{what}/{other}" for other in range(self.processes)]
        self.store.set(keys[self.rank], "")
        while time.monotonic() < end and not self.store.check(keys):
            time.sleep(_SHORTEST)

    def _answer_of(self, key: str, other: int) -> tuple[tuple[str, str], Any]:
        pause, failed = _SHORTEST, f"{self.generation}/failure/{other}"
        while not self.store.check([key]):
            if self.store.check([failed]) and not self.store.check([key]):
                raise self._value_at(failed).raised()
            self._require_life(other)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)
        answer: tuple[tuple[str, str], Any] = self._value_at(key)
        return answer

    def _put_value(self, key: str, value: object) -> list[str]:
        """Store a value in pieces, under the keys that are given; the first piece says how many, and comes last."""
        content = pickle.dumps(value)
        pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
        keys = _keys_of(key, len(pieces))
        pieces[0] = len(pieces).to_bytes(8) + pieces[0]
        for place, piece in reversed(list(zip(keys, pieces, strict=True))):
            self.store.set(place, piece)  # type: ignore[arg-type]  # which takes bytes too
        return keys

    def _value_at(self, key: str) -> Any:
        first = self.store.get(key)
        keys = _keys_of(key, int.from_bytes(first[:8]))
        return pickle.loads(b"".join([first[8:], *map(self.store.get, keys[1:])]))

    def _require_life(self, other: int) -> None:
        if other != self.rank and (lost := self._lost(self._signs, other, self._patience[other])):
            raise ProcessError(f"process {other} {lost}; see its output")


def _is_lost_connection(error: BaseException) -> bool:
    """Whether another process left a collective, be it one that torch began by itself, as in a backward pass."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "/gloo/" in str(error))


def _keys_of(key: str, pieces: int) -> list[str]:
    return [key, *(f"{key}/{number}" for number in range(1, pieces))]


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """The first process holds the store, unless the launcher does."""
    try:
        yield
    except dist.DistError as error:
        raise ProcessError(f"the first process is gone ({error}); see its output") from error
