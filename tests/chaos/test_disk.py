"""A file system of one's own is full, and has room again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sumflow.chaos import disk


def test_a_full_disk_takes_nothing_and_a_freed_one_does(tmp_path: Path) -> None:
    """While it is full a write fails as on any full disk; what was there stays; freed, it has room; then it is gone."""
    if reason := disk.impossible(tmp_path):
        pytest.skip(reason)
    with disk.mounted(tmp_path) as small:
        (tmp_path / "before").write_bytes(b"kept" * 10_000)
        small.fill()
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "meanwhile").write_bytes(b"x" * (1 << 20))
        small.free()
        (tmp_path / "afterwards").write_bytes(b"x" * (1 << 20))
        assert (tmp_path / "before").read_bytes() == b"kept" * 10_000
    assert list(tmp_path.iterdir()) == []
