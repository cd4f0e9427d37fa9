"""Where Maven artefacts come from on this machine: the user's mirror where Maven's own settings name one."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from jgo.constants import MAVEN_CENTRAL_URL, default_maven_repo

from sumflow.errors import UsageError


def local_repository() -> Path:
    """Return the user's Maven repository; it is read, never written."""
    return Path(default_maven_repo())


def repositories() -> tuple[str, ...]:
    """Return the repositories to try, in order, without a trailing slash."""
    settings = Path.home() / ".m2" / "settings.xml"
    if settings.exists():
        try:
            mirror = mirror_of_central(settings.read_text(encoding="utf-8"))
        except ET.ParseError as error:
            raise UsageError(f"{settings} is not XML: {error}", remedy="repair the file, or move it away") from error
        if mirror:
            return (mirror,)
    return (MAVEN_CENTRAL_URL,)


def mirror_of_central(settings: str) -> str | None:
    """Return the URL of the mirror that Maven would use for Central, after Maven's rules for `mirrorOf`."""
    for element in ET.fromstring(settings).iter():  # noqa: S314 -- the user's own file
        if element.tag.rpartition("}")[2] != "mirror":
            continue
        fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}
        covered = [part.strip() for part in fields.get("mirrorOf", "").split(",")]
        if "!central" not in covered and {"*", "central", "external:*"} & set(covered):
            return fields.get("url", "").rstrip("/") or None
    return None
