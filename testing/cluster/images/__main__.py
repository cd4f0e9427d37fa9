"""Builds the named sets of images: python -m testing.cluster.images CLUSTER_HOME cluster|product|strimzi..."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    for name in sys.argv[2:]:
        import_module(f"testing.cluster.images.{name}").build(Path(sys.argv[1]))
