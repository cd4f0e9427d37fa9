"""Ends, stops and continues what runs in pods; for whoever tries what a deployed system withstands.

All of it is done with what every cluster permits, deleting pods and running commands in them. A container's first
process is out of reach of most signals from inside its own namespace, SIGKILL and SIGSTOP among them
(pid_namespaces(7)); two other ways lead to it: a tracer stops and continues what it traces, and can have the kernel
kill it (ptrace(2)); and the kernel kills whatever exceeds its hard limit of CPU time (getrlimit(2)). Both need the same
user, no privilege, and a Python in the image, which is ours.

Nothing outlasts this process by more than the time it was meant for: what stands still goes on by itself.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Final

from sumflow.cluster.client import Cluster
from sumflow.cluster.objects import Ref
from sumflow.cluster.streams import Pod, execute, started
from sumflow.errors import SumflowError

AT_ONCE_S: Final = 1
"""The shortest grace that keeps the promise that no second pod of a name starts before the first has ended: with 0 the
API forgets a pod that still runs, and two servers would share a volume. Kubelets give two seconds even so."""
_GOES_ON_S: Final = 10.0
"""How long a command in a pod that was stopped may be late, at most."""

_DONE: Final = "done"
_KILL_FIRST: Final = f"""
import ctypes, os, resource
resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))
seize, exitkill = 0x4206, 0x100000
ctypes.CDLL(None).ptrace(ctypes.c_long(seize), ctypes.c_long(1), None, ctypes.c_void_p(exitkill))
os.write(1, b"{_DONE}\\n")
"""
"""With this option the kernel kills what is traced as soon as its tracer ends. Where tracing is forbidden, the limit
remains: a service that has just started then lives until it has used its second."""

_TERMINATE_FIRST: Final = f"""
import os, signal
os.kill(1, signal.SIGTERM)
os.write(1, b"{_DONE}\\n")
"""

_FREEZE_FIRST: Final = f"""
import ctypes, os, select, sys
ptrace, seize, interrupt = ctypes.CDLL(None, use_errno=True).ptrace, 0x4206, 0x4207
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
stopped = set()
while new := {{int(each) for each in os.listdir("/proc/1/task")}} - stopped:
    for thread in new:
        if ptrace(seize, thread, None, None) or ptrace(interrupt, thread, None, None):
            if ctypes.get_errno() != 3:
                sys.exit("this node does not let a process be traced: " + os.strerror(ctypes.get_errno()))
    stopped |= new
os.write(1, b"{_DONE}\\n")
select.select([sys.stdin], [], [], float(sys.argv[1]))
"""
"""Stops thread after thread until there is no new one; a thread that has ended meanwhile (ESRCH, 3) is none. All go on
when the tracer ends: after its time, or when nobody is connected to it any more."""

_FREEZE_OTHERS: Final = """
others=$(cd /proc && ls -d [0-9]* | grep -vx -e 1 -e $$)
(sleep "$1"; kill -CONT $others; exit 0) </dev/null >/dev/null 2>&1 &
kill -STOP $others 2>/dev/null
exit 0
"""
"""The clock that lets them go on runs beside them in the container: it needs neither this process nor the API."""


def end_pod(cluster: Cluster, pod: Pod, *, at_once: bool) -> None:
    """Delete a pod, with its own time to end in good order or with next to none; its controller makes another one."""
    cluster.delete(Ref("", "v1", "Pod", pod.namespace, pod.name), grace_s=AT_ONCE_S if at_once else None)


def kill_first(cluster: Cluster, pod: Pod) -> None:
    """End a container's first process, one of ours, by SIGKILL; raise SumflowError if the container does not run."""
    started(cluster, pod, ["python3", "-c", _KILL_FIRST], says=_DONE)()


def terminate_first(cluster: Cluster, pod: Pod) -> None:
    """Ask a container's first process, one of ours, to end in good order. Errors as `kill_first`."""
    started(cluster, pod, ["python3", "-c", _TERMINATE_FIRST], says=_DONE)()


def freeze_first(cluster: Cluster, pod: Pod, lasts_s: float) -> Callable[[], None]:
    """Let a container's first process, one of ours, stand still; return what lets it go on. Errors as `kill_first`."""
    return started(cluster, pod, ["python3", "-c", _FREEZE_FIRST, f"{lasts_s + _GOES_ON_S:.1f}"], says=_DONE)


def kill_others(cluster: Cluster, pod: Pod) -> None:
    """End every process of a container but its first by SIGKILL. Errors as `kill_first`."""
    execute(cluster, pod, ["sh", "-c", "kill -KILL -1"], within_s=10)


def freeze_others(cluster: Cluster, pod: Pod, lasts_s: float) -> Callable[[], None]:
    """Let every process of a container but its first stand still; return what lets them go on. Errors as above."""
    clock_s = math.ceil(lasts_s + _GOES_ON_S)
    execute(cluster, pod, ["sh", "-c", _FREEZE_OTHERS, "sh", str(clock_s)], within_s=10)

    def go_on() -> None:
        # A container that was ended meanwhile has nothing to continue; one that is out of reach has its own clock.
        with contextlib.suppress(SumflowError):
            execute(cluster, pod, ["sh", "-c", "kill -CONT -1"], within_s=10)

    return go_on
