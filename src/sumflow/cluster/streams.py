"""Commands inside pods, and connections into them, over the API server; nothing has to be exposed for either."""

from __future__ import annotations

import contextlib
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import yaml
from kubernetes import client as api
from kubernetes import stream
from websocket import WebSocketException

from sumflow.cluster.client import Cluster
from sumflow.cluster.failures import unreachable
from sumflow.errors import SumflowError
from sumflow.settings import Address

MAX_CONNECTIONS: Final = 64
_CHUNK_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, and the container that is spoken to."""

    namespace: str
    name: str
    container: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: its exit code and its output."""

    code: int
    output: str
    errors: str


def execute(cluster: Cluster, pod: Pod, command: Sequence[str], *, given: str = "", within_s: float = 30) -> Outcome:
    """Run a command in a container and return what came of it.

    Args:
        given: what the command reads from its standard input, where secrets belong.
        within_s: its time limit.

    Raises:
        SumflowError: the command could not be started, or did not end in time.
    """
    channel = _begun(cluster, pod, command, within_s, stdin=bool(given))
    with contextlib.closing(channel):
        if given:
            channel.write_stdin(given)
        channel.run_forever(timeout=within_s)
        if channel.is_open():
            raise SumflowError(f"{command[0]} in {pod} did not end within {within_s:.0f} s")
        output, errors = str(channel.read_stdout() or ""), str(channel.read_stderr() or "")
        ended = exit_code(channel.read_channel(stream.ws_client.ERROR_CHANNEL))
        if isinstance(ended, str):
            raise _not_started(pod, command[0], ended)
        return Outcome(ended, output, errors)


def started(
    cluster: Cluster, pod: Pod, command: Sequence[str], *, says: str, within_s: float = 10
) -> Callable[[], None]:
    """Run a command until it says a line, and let it go on; return what ends its standard input, and so the command.

    Args:
        says: the line; whatever else it says first is why it could not do what was asked.
        within_s: the time for it.

    Raises:
        SumflowError: the command could not be started, or said something else, or nothing in time.
    """
    channel = _begun(cluster, pod, command, within_s, stdin=True)
    line = str(channel.readline_stdout(timeout=within_s) or channel.read_stdout() or channel.read_stderr()).strip()
    if line != says:
        channel.close()
        raise SumflowError(f"{command[0]} in {pod} did not do what was asked", why=line or "it said nothing")
    end: Callable[[], None] = channel.close
    return end


class Conversation:
    """A command in a container that answers, in bytes, what it is asked.

    Args:
        channel: the connection with it.
        name: the command and its pod, for a person.
        within_s: how long it may be silent.
    """

    def __init__(self, channel: Any, name: str, within_s: float) -> None:
        self._channel = channel
        self._name = name
        self._within_s = within_s

    def say(self, data: bytes) -> None:
        """Write to its standard input; raise SumflowError if it is gone."""
        self._channel.read_all()  # lets go of what was heard, which the library keeps
        try:
            self._channel.write_stdin(data)
        except (OSError, WebSocketException) as error:
            raise SumflowError(f"the connection with {self._name} was lost", why=str(error)) from error

    def hear(self) -> bytes:
        """Return what came next on its standard output; raise SumflowError if it ended, or is silent for too long."""
        deadline = time.monotonic() + self._within_s
        while self._channel.is_open() and (left := deadline - time.monotonic()) > 0:
            if heard := self._channel.read_stdout(timeout=left):
                return bytes(heard)
        if self._channel.is_open():
            raise SumflowError(f"{self._name} said nothing for {self._within_s:.0f} s")
        raise SumflowError(f"{self._name} ended", why=bytes(self._channel.read_stderr() or b"").decode().strip())


@contextlib.contextmanager
def conversation(cluster: Cluster, pod: Pod, command: Sequence[str], *, within_s: float = 60) -> Iterator[Conversation]:
    """Run a command for as long as it is spoken with; its standard input ends with the conversation.

    Args:
        within_s: how long it may be silent.

    Raises:
        SumflowError: the command could not be started.
    """
    channel = _begun(cluster, pod, command, within_s, stdin=True, binary=True)
    with contextlib.closing(channel):
        yield Conversation(channel, f"`{shlex.join(command)}` in {pod}", within_s)


def _begun(
    cluster: Cluster, pod: Pod, command: Sequence[str], within_s: float, *, stdin: bool, binary: bool = False
) -> Any:
    # The library swaps a method of its client for the length of the call, so that each call has a client of its own.
    core = api.CoreV1Api(api.ApiClient(cluster.configuration))
    try:
        return stream.stream(
            core.connect_get_namespaced_pod_exec,
            pod.name,
            pod.namespace,
            container=pod.container,
            command=list(command),
            stdin=stdin,
            stdout=True,
            stderr=True,
            tty=False,
            binary=binary,
            _preload_content=False,
            _request_timeout=within_s,
        )
    except (api.ApiException, OSError) as error:
        raise _not_started(pod, command[0], error) from error


@contextlib.contextmanager
def forwarded(cluster: Cluster, find: Callable[[], Pod], port: int) -> Iterator[Address]:
    """Listen on a free local port and lead each connection to a port of a pod, as `kubectl port-forward` does.

    Args:
        find: names the pod; asked for each connection, so that a pod that went away is replaced by another.
        port: the container's port.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=MAX_CONNECTIONS) as listener:
        room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        threading.Thread(
            target=_accept,
            args=(listener, room, lambda: _open(cluster, find(), port)),
            name="port-forward",
            daemon=True,
        ).start()
        yield Address("127.0.0.1", int(listener.getsockname()[1]))


def _accept(listener: socket.socket, room: threading.BoundedSemaphore, connect: Callable[[], Any]) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        room.acquire()
        threading.Thread(target=_serve, args=(near, room, connect), name="port-forward", daemon=True).start()


def _serve(near: socket.socket, room: threading.BoundedSemaphore, connect: Callable[[], Any]) -> None:
    """Carry one connection; whoever connected sees a failure as a closed connection, as with any proxy."""
    with contextlib.ExitStack() as stack:
        stack.callback(room.release)
        stack.enter_context(near)
        with contextlib.suppress(SumflowError, OSError):
            far = stack.enter_context(contextlib.closing(connect()))
            back = threading.Thread(target=_pump, args=(far, near), name="port-forward", daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    for end in (sink, source):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _open(cluster: Cluster, pod: Pod, port: int) -> Any:
    core = api.CoreV1Api(api.ApiClient(cluster.configuration))
    try:
        forward = stream.portforward(
            core.connect_get_namespaced_pod_portforward, pod.name, pod.namespace, ports=str(port)
        )
    except (api.ApiException, OSError) as error:
        raise unreachable(f"{cluster.server} (port-forward to {pod})", error) from error
    return forward.socket(port)


def exit_code(status: str) -> int | str:
    """Read the exit code from the last message of an exec, a meta/v1 Status; where there is none, the reason."""
    found = yaml.safe_load(status or "{}") or {}
    if found.get("status") == "Success":
        return 0
    causes = (found.get("details") or {}).get("causes") or ()
    codes = [int(each["message"]) for each in causes if each.get("reason") == "ExitCode"]
    return codes[0] if codes else str(found.get("message") or "the connection ended before the command did")


def _not_started(pod: Pod, program: str, error: Exception | str) -> SumflowError:
    if getattr(error, "status", None) == HTTPStatus.FORBIDDEN:
        why, remedy = "", "ask an administrator for the roles in k8s/rbac (docs/kubernetes.md, Least privilege)"
        return SumflowError(f"not allowed to run commands in {pod} (create pods/exec)", why=why, remedy=remedy)
    return SumflowError(
        f"{program} could not be run in {pod}",
        why=str(getattr(error, "reason", "") or error),
        remedy=f"see how the pod is: kubectl describe pod {pod.name} -n {pod.namespace}",
    )
