"""One layer of an image: a tar archive, filled from files of this machine."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from platform import machine

LIBRARIES = f"usr/lib/{machine()}-linux-gnu"


class Layer:
    """A path added twice keeps its first content. Owners are root unless said otherwise; times are the files' own."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)
        self._seen: set[str] = set()

    def _new(self, path: str) -> tarfile.TarInfo | None:
        path = path.strip("/")
        if path in self._seen:
            return None
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            self.directory("/".join(parts[:depth]))
        self._seen.add(path)
        return tarfile.TarInfo(path)

    def directory(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Add a directory that belongs to user and group `owner`."""
        info = self._new(path)
        if info:
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
            self._tar.addfile(info)

    def text(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Add a file with this content."""
        info, data = self._new(path), content.encode() if isinstance(content, str) else content
        if info:
            info.size, info.mode = len(data), mode
            self._tar.addfile(info, io.BytesIO(data))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        info = self._new(path)
        if info:
            info.type, info.linkname = tarfile.SYMTYPE, target
            self._tar.addfile(info)

    def file(self, source: Path, path: str, mode: int | None = None) -> None:
        """Add a copy of a file; its time too, since compiled Python is only taken beside a source of the right age."""
        info = self._new(path)
        if info:
            stat = source.stat()
            info.size, info.mode, info.mtime = stat.st_size, mode or (stat.st_mode & 0o777), int(stat.st_mtime)
            with source.open("rb") as content:
                self._tar.addfile(info, content)

    def tree(self, source: Path, path: str, skip: Sequence[str] = ()) -> None:
        """Add a directory with all below it, but nothing named in `skip` (a trailing * matches any ending)."""
        for folder, directories, files in os.walk(source):
            below = os.path.relpath(folder, source)
            base = path if below == "." else f"{path}/{below}"
            self.directory(base)
            directories[:] = sorted(d for d in directories if not _matches(d, skip))
            links = [d for d in directories if (Path(folder) / d).is_symlink()]
            for name in [*sorted(f for f in files if not _matches(f, skip)), *links]:
                self._item(Path(folder) / name, f"{base}/{name}")

    def _item(self, item: Path, path: str) -> None:
        if item.is_symlink() and not item.readlink().is_absolute():
            self.link(path, str(item.readlink()))
        elif item.is_file() and item.suffix != ".a" and ".opt-" not in item.name:  # nor what `python -O` would take
            self.file(item, path)

    def libraries(self, *binaries: Path) -> None:
        """Add the shared libraries that these programs load, where the image's loader finds them."""
        for source in sorted({library for binary in binaries for library in _libraries(binary)}):
            loader = source.name.startswith("ld-linux")
            place = str(source) if loader else f"{LIBRARIES}/{source.name}"
            self.file(source, place.replace("/lib", "usr/lib", 1) if place.startswith("/lib") else place)

    def content(self) -> bytes:
        """Return the archive; nothing can be added after that."""
        self._tar.close()
        return self._buffer.getvalue()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(name.startswith(p[:-1]) if p.endswith("*") else name == p for p in patterns)


def _libraries(binary: Path) -> Iterable[Path]:
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    for words in map(str.split, listed.splitlines()):
        source = words[2] if "=>" in words and len(words) > 2 else words[0]
        if source.startswith("/"):  # not the kernel's own, nor one that is not there
            yield Path(source)
