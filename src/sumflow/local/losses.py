"""Data that went away under a running system: known by one file that each component with data has from its first start.

Nothing starts over by itself: a backup may be at hand, and whatever would be accepted meanwhile is in its way. The
component stays away and says why, until somebody types `sumflow up`.
"""

from __future__ import annotations

from pathlib import Path

from sumflow.errors import SumflowError
from sumflow.local.state import SystemPhase, SystemState


def problem(keeps: Path | None) -> str | None:
    """Return what to say of a component whose file is not there, or None."""
    if keeps is None or not _is_gone(keeps):
        return None
    return f"its data is gone: {keeps} was removed; `sumflow up` makes it anew, empty, `sumflow restore` from a backup"


def require(keeps: Path | None) -> None:
    """Raise SumflowError if a component's data is gone."""
    if said := problem(keeps):
        raise SumflowError(said)


def gone(record: SystemState) -> list[str]:
    """Return the components whose data is gone; none while the system is not up, as some may have none yet."""
    if record.phase is not SystemPhase.UP:
        return []
    return [component.name for component in record.components if component.keeps and _is_gone(Path(component.keeps))]


def _is_gone(path: Path) -> bool:
    """Tell whether a file is missing; one that may not be looked at is not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
