"""How many messages may be on their way in at once, whoever sends them: what they take of memory has this bound.

gRPC reads a message as far as it comes as soon as somebody waits for it, and keeps what it has. A call of one message
looks the same on the wire as a stream of one, so the calls that are served from here are declared as streams: then it
is ours to say when a message is read, and who has waited for the rest of theirs for long enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from sumflow.adder.requests import Refused

MAX_INCOMPLETE: Final = 48
"""With 1.5 MiB each, the bound of any message, 72 MiB. A message that is there already keeps its place for a turn of
the loop: bursts of thousands were seen to need 22."""
MAX_SMALL_BYTES: Final = 64 * 1024
"""What a call of one small message takes; the largest addition of the contract has some 300 bytes."""
RETRY_S: Final = 1.0

MALFORMED: Final = Refused(
    grpc.StatusCode.INVALID_ARGUMENT,
    "the message is not one of the contract: it could not be decoded, or is larger than it may be; nothing is stored",
)
_GAVE_WAY: Final = Refused(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    f"{MAX_INCOMPLETE} messages were on their way in, and this one had waited longest for its end: send it again",
    RETRY_S,
)

Context = grpc.aio.ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)


class Intake:
    """The calls whose message is not complete yet; beyond the limit the one that came first gives way.

    Args:
        limit: how many there may be.
    """

    def __init__(self, limit: int = MAX_INCOMPLETE) -> None:
        self._limit = limit
        self._incomplete: dict[asyncio.Timeout, None] = {}

    async def read(self, context: Context) -> Any:
        """Return a call's only message; raise Refused if it is malformed, or did not come in time for others."""
        self._make_room()
        try:
            async with asyncio.timeout(None) as patience:
                self._incomplete[patience] = None
                try:
                    message = await context.read()
                finally:
                    self._incomplete.pop(patience, None)
        except TimeoutError:
            raise _GAVE_WAY from None
        if message is None or message is grpc.aio.EOF:
            raise MALFORMED
        return message

    def _make_room(self) -> None:
        if len(self._incomplete) >= self._limit:
            first = next(iter(self._incomplete))
            del self._incomplete[first]
            first.reschedule(asyncio.get_running_loop().time())


class Places:
    """The calls of one kind that may be open at once.

    Args:
        limit: how many.
        what: their kind, as the refusal names it.
    """

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self.taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place for the block; raise Refused with RESOURCE_EXHAUSTED if there is none."""
        if self.taken >= self._limit:
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self.taken:,} {self._what} are open, and more are not allowed: try again later",
                RETRY_S,
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


def reader(kind: type[M]) -> Callable[[bytes], M | None]:
    """Return a deserializer of small messages.

    It gives None for what is malformed or too large: gRPC's own would answer INTERNAL without a word. And what is None
    keeps no memory while the refusal is on its way.
    """

    def read(data: bytes) -> M | None:
        try:
            return kind.FromString(data) if len(data) <= MAX_SMALL_BYTES else None
        except DecodeError:
            return None

    return read
