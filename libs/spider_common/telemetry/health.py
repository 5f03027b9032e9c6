"""Whether a service turns, and whether it serves: a small file that it keeps, for whoever looks from outside.

The file is touched while the event loop turns, and says one word: how far the service is. Live is who has
touched it lately. Ready is who serves: a service that starts is live and not yet ready, one that drains is
live and no longer ready. One that waits too long for a table or a venue is late: it does what it can.
"""

from enum import StrEnum
from pathlib import Path
from typing import Final

import trio

BEAT_S: Final = 5.0
STUCK_S: Final = 30
"""A loop that has not turned for so long will not do so again by itself."""
STARTS_WITHIN_S: Final = 240
"""How long a release waits for a task to be ready: the start waits up to a minute for accounts."""


class Stage(StrEnum):
    """How far a service is."""

    STARTING = "starting"
    LATE = "late"
    READY = "ready"
    DRAINING = "draining"


class Health:
    """What a service says of itself. Without a path it says it to nobody."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.stage = Stage.STARTING

    def become(self, stage: Stage) -> None:
        """Says it at once. Who drains is never ready again."""
        if self.stage is not Stage.DRAINING:
            self.stage = stage
            self._tell()

    async def serve(self) -> None:
        """Touches the file as long as the loop turns, until cancelled."""
        late = trio.current_time() + STARTS_WITHIN_S
        while True:
            if self.stage is Stage.STARTING and trio.current_time() >= late:
                self.stage = Stage.LATE
            self._tell()
            await trio.sleep(BEAT_S)

    def _tell(self) -> None:
        if self._path is not None:
            fresh = self._path.with_suffix(".new")  # whoever reads finds the old word or the new one
            fresh.write_text(self.stage)
            fresh.replace(self._path)


_CHECK: Final = (
    "import os,sys,time;path=sys.argv[1];"
    f"sys.exit(time.time()-os.stat(path).st_mtime>{STUCK_S} or open(path).read()in sys.argv[2:])"
)


def is_serving(path: str) -> list[str]:
    """The command by which ECS asks whether a task is healthy: its loop turns, and it is not just starting.

    So a release waits until its tasks serve before it stops those before them, one whose loop is stuck is
    replaced, and one that drains is let to. One that is late counts as healthy: what it waits for, a table or
    one of its venues, comes no sooner when it is ended. It needs Python alone, for it runs every few seconds.
    """
    return ["CMD", "python", "-I", "-c", _CHECK, path, Stage.STARTING.value]


def is_ready(path: str) -> list[str]:
    """The same for who asks whether it does all of its work now: not when it is late or drains."""
    return [*is_serving(path), Stage.LATE.value, Stage.DRAINING.value]
