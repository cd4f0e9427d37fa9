"""Install files for `sumflow deploy --strimzi-manifest DIR` where the real ones cannot be fetched.

    python -m testing.strimzi_standin.install RELEASE DIR

The custom resource definitions are the real ones, byte for byte, generated as in tests/topology; the Deployment and its
permissions are our own, under the real names. Where the real files are at hand, they run this stand-in unmodified.
"""

from __future__ import annotations

import sys
from pathlib import Path
from string import Template

from tests.topology import crds

FILES = Path(__file__).parent / "install"
RELEASES = {"0.44.0": "3.7.0", "1.2.0": "4.3.1"}
"""The pinned operators, and the Kafka that each one's profiles declare."""


def write(release: str, directory: Path) -> Path:
    """Write the install files of a pinned release to `directory`, made if need be, and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, made in crds.generated(release).items():
        (directory / name).write_bytes(made.read_bytes())
    for template in FILES.glob("*.yaml"):
        text = Template(template.read_text()).substitute(RELEASE=release, KAFKA=RELEASES[release])
        (directory / f"standin-{template.name}").write_text(text)
    return directory


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
