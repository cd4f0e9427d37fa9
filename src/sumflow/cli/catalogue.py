"""Every command, its sentence for the help page, and the module it is imported from when asked for.

The sentences stand here as well as in the commands' own help, so that the help page imports none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: where it lives in `sumflow.cli`, and its one-line help."""

    module: str
    attribute: str
    sentence: str


_RUN: Final = {
    "up": Entry("lifecycle", "up", "Start the declared system on this machine."),
    "deploy": Entry("deploy", "deploy", "Bring the declared system up on a Kubernetes cluster."),
    "down": Entry("lifecycle", "down", "Stop it, in reverse order; the data stays."),
    "destroy": Entry("lifecycle", "destroy", "Stop it and remove its data."),
}
_NUMBERS: Final = {
    "add": Entry("add", "add", "Add two numbers, or a file of them."),
    "total": Entry("total", "total", "Print the total, or watch it."),
}
_RECOVER: Final = {
    "rebuild": Entry("rebuild", "rebuild", "Bring the totals back from the adder's database."),
    "backup": Entry("backup", "backup", "Back both databases up, and archive their WAL from then on."),
    "restore": Entry("backup", "restore", "Bring a database of this machine back to a moment."),
}
_LOOK: Final = {
    "status": Entry("status", "status", "Show each component: state, address, pid, memory."),
    "secrets": Entry("secrets", "secrets", "Give a cluster's databases other passwords."),
    "logs": Entry("logs", "logs", "Print or follow the components' logs."),
    "verify": Entry("verify", "verify", "Run the specification's checklist against the running system."),
    "audit": Entry("audit", "audit", "Prove that every accepted sum is counted exactly once."),
    "bench": Entry("bench", "bench", "Measure its speed beside a yardstick in the same run."),
    "chaos": Entry("chaos", "chaos", "Break a system on purpose, and judge what that cost."),
    "diff": Entry("deploy", "diff", "Show how a cluster differs from what is declared."),
    "doctor": Entry("doctor", "doctor", "Say what would stop an `up` or a `deploy`, and the remedy."),
}
_HELPERS: Final = {
    "render": Entry("deploy", "render", "Print a profile's objects as plain YAML."),
    "fields": Entry("fields", "fields", "Print which manifest fields are honoured, and why others are not."),
    "completion": Entry("completion", "completion", "Print the completion script of a shell."),
}
_SERVICES: Final = {
    "adder": Entry("services", "adder", "Serve gRPC additions (run by `up` and by the container)."),
    "relay": Entry("services", "relay", "Publish accepted additions to Kafka."),
    "totalizer": Entry("services", "totalizer", "Count what was published and serve the total."),
    "records": Entry("services", "records", "Send a topic's records to an audit that cannot reach the brokers."),
}

SECTIONS: Final = {
    "Run": tuple(_RUN),
    "Numbers": tuple(_NUMBERS),
    "Look": tuple(_LOOK),
    "Recover": tuple(_RECOVER),
    "Helpers": tuple(_HELPERS),
}
"""The help page's sections; the services are left out, people do not start them by hand."""

CATALOGUE: Final = {**_RUN, **_NUMBERS, **_LOOK, **_RECOVER, **_HELPERS, **_SERVICES}
