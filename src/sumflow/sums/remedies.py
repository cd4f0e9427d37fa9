"""What a person types when something is beyond what mends itself: the totalizer and the audit say the same."""

from __future__ import annotations

from typing import Final

REBUILD: Final = (
    "`sumflow rebuild` (`sumflow rebuild --on kubernetes`) brings the totals back from the adder's database"
)
