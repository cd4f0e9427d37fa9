"""A steady load of clients, each in a thread, each with its own book.

Some name their requests and repeat them until they are acknowledged: these must count exactly once. Some do neither:
what is not answered to them may count or not. Some send batches over a stream, named and repeated.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from sumflow.chaos.book import ROOM, Book
from sumflow.chaos.doors import Connection, Doors, WrongAnswerError
from sumflow.errors import SumflowError

RATE: Final = 400.0
"""Additions a second, of all clients together, where nothing else is said."""
STOP_WITHIN_S: Final = 60.0
"""After the end of the load, requests that are named are repeated for so long before they count as never answered."""
_RUNS: Final = 1 << 24
_PAUSE_S: Final = (0.02, 0.3)
"""Before a new connection is tried: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Manner:
    """A manner of adding: over what, how many in one request, and whether requests are named and repeated."""

    name: str
    connect: Callable[[Doors], Connection]
    batch: int
    named: bool


MANNERS: Final = (
    Manner("named", lambda doors: doors.call(), 1, named=True),
    Manner("plain", lambda doors: doors.call(), 1, named=False),
    Manner("stream", lambda doors: doors.stream(), 20, named=True),
)
EACH: Final = 2
"""Clients of each manner."""


class Load:
    """The clients; a context manager that begins with them and ends when the last has.

    Args:
        doors: where they add.
        rate: additions a second, of all together.
        clock: seconds; what the books' moments are measured with.
    """

    def __init__(self, doors: Doors, rate: float = RATE, clock: Callable[[], float] = time.monotonic) -> None:
        self._stopping = threading.Event()
        self._give_up_at_s = float("inf")
        self._clock = clock
        # A range of x that no earlier run of the same system has used.
        first = secrets.randbelow(_RUNS) * ROOM * len(MANNERS) * EACH
        self.books: list[Book] = []
        self._threads = []
        for manner in MANNERS:
            for i in range(EACH):
                book = Book(f"{manner.name}-{i}", first + len(self.books) * ROOM)
                pause_s = manner.batch * len(MANNERS) * EACH / rate
                self.books.append(book)
                self._threads.append(threading.Thread(target=self._run, args=(doors, manner, book, pause_s)))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop(0.0 if error else STOP_WITHIN_S)

    @property
    def acknowledged(self) -> int:
        """Additions acknowledged so far."""
        return sum(book.acknowledged for book in self.books)

    @property
    def uncertain(self) -> int:
        """Additions of which nobody can know; final once the load has ended."""
        return sum(len(book.uncertain) for book in self.books)

    @property
    def wrong(self) -> list[str]:
        """Answers that must never be given, with their client."""
        return [f"{book.client}: {each}" for book in self.books for each in book.wrong]

    @property
    def bounds(self) -> tuple[int, int]:
        """The x of this run: the first, and the last that there can be."""
        return self.books[0].first, self.books[-1].first + ROOM - 1

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """End the load; what is not acknowledged within the time is never answered."""
        self._give_up_at_s = self._clock() + within_s
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, doors: Doors, manner: Manner, book: Book, pause_s: float) -> None:
        link = _Link(doors, manner)
        due_s = self._clock()
        try:
            while not self._stopping.is_set():
                self._add(link, book, book.take(manner.batch), named=manner.named)
                # What was missed is not made up for: the load is steady, not a flood after each fault.
                due_s = max(due_s + pause_s, self._clock())
                self._stopping.wait(due_s - self._clock())
        finally:
            link.close()

    def _add(self, link: _Link, book: Book, numbers: range, *, named: bool) -> None:
        """Add once; repeat what is named until it is acknowledged."""
        request_id = str(uuid.uuid4()) if named else ""
        began_s, pause_s = self._clock(), _PAUSE_S[0]
        while True:
            try:
                link.add(numbers, request_id)
            except WrongAnswerError as error:
                book.wrong.append(str(error))
                book.uncertain.update(numbers)
                return
            except SumflowError as error:
                if not named or self._clock() >= self._give_up_at_s:
                    book.uncertain.update(numbers)
                    if named:
                        book.wrong.append(f"never answered: {error.what}")
                    return
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S[1])
            else:
                book.acknowledge(began_s, self._clock(), len(numbers))
                return


class _Link:
    """A client's connection, replaced by a new one after each failure."""

    def __init__(self, doors: Doors, manner: Manner) -> None:
        self._connect: Callable[[], Connection] = lambda: manner.connect(doors)
        self._connection: Connection | None = None

    def add(self, numbers: range, request_id: str) -> None:
        self._connection = self._connection or self._connect()
        try:
            self._connection.add(numbers, request_id)
        except SumflowError:
            self.close()
            raise

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
