"""Image archives as `docker save` writes them, which containerd and every engine import."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from platform import machine

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[machine()]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write(archive: Path, tags: Sequence[str], layers: Sequence[bytes], **config: object) -> bool:
    """Write the image; say whether anything changed. An archive that holds this image already is left as it is."""
    digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
    document = json.dumps(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            "history": [{"created_by": "sumflow's test cluster"} for _ in digests],
        }
    ).encode()
    document_name = hashlib.sha256(document).hexdigest() + ".json"
    names = [f"{digest}.tar" for digest in digests]
    manifest = json.dumps([{"Config": document_name, "RepoTags": list(tags), "Layers": names}]).encode()
    if _manifest(archive) == manifest:
        return False
    new = archive.with_suffix(".new")
    with tarfile.open(new, "w") as tar:
        # the manifest first, so that it is found without reading the layers
        for name, data in [("manifest.json", manifest), (document_name, document), *zip(names, layers, strict=True)]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    new.replace(archive)
    return True


def _manifest(archive: Path) -> bytes | None:
    if not archive.exists():
        return None
    with tarfile.open(archive) as tar:
        first = tar.next()
        found = tar.extractfile(first) if first and first.name == "manifest.json" else None
        return found.read() if found else None
