"""The command line and kubectl against the test cluster, as a person would use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOME = Path(os.environ.get("SUMFLOW_CLUSTER_HOME", Path.home() / ".cache/sumflow-cluster"))
KUBECONFIG = HOME / "admin.kubeconfig"
HARNESS = Path(__file__).parents[3] / "testing/cluster"
KUBECTL = Path(sys.executable).parent / "kubectl"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document that --json printed."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class System:
    """One way to reach the cluster.

    Args:
        strimzi: the directory of Strimzi's install files, of the release that the profile pins.
        kubeconfig: who asks.
        profile: what is deployed.
    """

    strimzi: Path
    kubeconfig: Path = KUBECONFIG
    profile: str = "dev"
    environment: dict[str, str] = field(default_factory=dict)

    def sumflow(self, *args: str, within_s: float = 300) -> Done:
        """Run `sumflow`."""
        return self._run([sys.executable, "-m", "sumflow", *args], within_s)

    def deploy(self, *args: str, within_s: float = 420) -> Done:
        """Run `sumflow deploy` of the profile."""
        declared = ["--profile", self.profile, "--strimzi-manifest", str(self.strimzi)]
        return self.sumflow("deploy", *declared, *args, within_s=within_s)

    @contextmanager
    def deploying(self, log: Path) -> Iterator[subprocess.Popen[str]]:
        """Run `sumflow deploy` of the profile beside the test, its output in a file; it is ended with the block."""
        # A shell's background jobs ignore Ctrl-C and hand that on: a test run that is one must not.
        listening = ["env", "--default-signal=INT"]
        command = [*listening, sys.executable, "-m", "sumflow", "deploy", "--profile", self.profile]
        with log.open("w") as out:
            running = subprocess.Popen(
                [*command, "--strimzi-manifest", str(self.strimzi)],
                stdout=out,
                stderr=out,
                text=True,
                env=self._names(),
            )
        try:
            yield running
        finally:
            running.kill()
            running.wait(30)

    def diff(self, *args: str) -> Done:
        """Run `sumflow diff` of the profile."""
        return self.sumflow("diff", "--profile", self.profile, "--strimzi-manifest", str(self.strimzi), *args)

    def destroy(self, *args: str) -> Done:
        """Run `sumflow destroy`, confirmed."""
        return self.sumflow("destroy", "--on", "kubernetes", "--yes", *args)

    def kubectl(self, *args: str, given: str | None = None) -> str:
        """Run `kubectl`; fail the test if it fails."""
        done = self.attempt(*args, given=given)
        assert done.code == 0, done.err
        return done.out

    def attempt(self, *args: str, given: str | None = None) -> Done:
        """Run `kubectl`, whatever comes of it."""
        # kubectl remembers for minutes what a server served, and here one release's definitions follow another's.
        with tempfile.TemporaryDirectory() as cache:
            return self._run([str(KUBECTL), "--cache-dir", cache, *args], 150, given)

    def harness(self, script: str, *args: str) -> None:
        """Run one of the test cluster's own scripts, as root."""
        # A started node outlives the script and keeps what it inherits, so nothing of ours is handed on.
        log = self.strimzi.parent / "harness.log"
        with log.open("w") as told:
            done = subprocess.run([HARNESS / script, *args], stdout=told, stderr=told, timeout=180, check=False)
        assert done.returncode == 0, log.read_text()

    def shell(self, commands: str, directory: Path, within_s: float = 600) -> Done:
        """Run commands as a person would type them, `kubectl` being at hand."""
        path, cache = f"PATH={KUBECTL.parent}:{os.environ['PATH']}", f"KUBECACHEDIR={directory / 'kubectl-cache'}"
        known = ["env", "-C", str(directory), path, cache]
        return self._run([*known, "bash", "-c", commands], within_s)

    def get(self, *args: str) -> list[dict[str, Any]]:
        """Return the objects that `kubectl get` finds."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *args, "-o", "json"))["items"]
        return found

    def psql(self, database: str, sql: str) -> str:
        """Ask a database in its own pod; return the values of the answer."""
        command = f'psql -XtA -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "{sql}"'
        return self.kubectl("exec", "-n", "sumflow", f"{database}-0", "--", "sh", "-c", command).strip()

    def produce(self, topic: str, records: str) -> None:
        """Write records, a line each, headers before a tab, with Kafka's own program in the first broker's pod."""
        brokers = self.get("pods", "-n", "sumflow-kafka", "-l", "strimzi.io/name=sumflow-kafka-kafka")
        program = "/opt/kafka/bin/kafka-console-producer.sh --bootstrap-server localhost:9092"
        command = f"{program} --topic {topic} --property parse.headers=true"
        pod = str(brokers[0]["metadata"]["name"])
        self.kubectl("exec", "-i", "-n", "sumflow-kafka", pod, "-c", "kafka", "--", *command.split(), given=records)

    def _run(self, command: Sequence[str], within_s: float, given: str | None = None) -> Done:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=within_s, env=self._names(), input=given, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def _names(self) -> dict[str, str]:
        known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return known | self.environment | {"KUBECONFIG": str(self.kubeconfig)}
