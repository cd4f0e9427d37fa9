"""The command line and kubectl against the test cluster, as a person would use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOME = Path(os.environ.get("SUMFLOW_CLUSTER_HOME", Path.home() / ".cache/sumflow-cluster"))
KUBECONFIG = HOME / "admin.kubeconfig"
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

    def diff(self, *args: str) -> Done:
        """Run `sumflow diff` of the profile."""
        return self.sumflow("diff", "--profile", self.profile, "--strimzi-manifest", str(self.strimzi), *args)

    def destroy(self, *args: str) -> Done:
        """Run `sumflow destroy`, confirmed."""
        return self.sumflow("destroy", "--on", "kubernetes", "--yes", *args)

    def kubectl(self, *args: str, given: str | None = None) -> str:
        """Run `kubectl`; fail the test if it fails."""
        # A cache of its own: kubectl remembers by address what an earlier cluster served there.
        cache = ["--cache-dir", str(self.strimzi.parent / "kubectl-cache")]
        done = self._run([str(KUBECTL), *cache, *args], 120, given)
        assert done.code == 0, done.err
        return done.out

    def get(self, *args: str) -> list[dict[str, Any]]:
        """Return the objects that `kubectl get` finds."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *args, "-o", "json"))["items"]
        return found

    def _run(self, command: Sequence[str], within_s: float, given: str | None = None) -> Done:
        known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = known | self.environment | {"KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=within_s, env=environment, input=given, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)
