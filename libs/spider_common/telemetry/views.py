"""What is seen of a task at one moment. PURE."""

from typing import Final, NamedTuple

import msgspec

RUNNING: Final = "running"
RUNNABLE: Final = "runnable"
WAITING: Final = "waiting"

ROOM: Final = "room in a channel"
BUDGET: Final = "a rate budget"

_LIBRARIES: Final = ("trio/", "greenback/", "outcome/", "httpx/", "botocore/", "boto3/", "redis/")


class Frame(NamedTuple):
    """A place in the code."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A task at one moment. Durations are seconds.

    Attributes:
        number: larger than that of every task that was started before it.
        parent: the number of the task that opened the nursery it is in; None: the root.
        nursery: tells the nurseries of a parent apart.
        state: "running", "runnable" or "waiting".
        on: what it waits for, in words; empty unless it waits.
        held: the channel, budget or other thing it waits on, as a number; 0: none is known.
        stack: where it is, outermost first.
        deadline: until the deadline that counts for it; None: there is none.
        cancelled: it is being cancelled.
        points: how often it has given way.
        age, busy, delayed, steps: what `Tasks` knows; None: it was not there, or looked at no step.
    """

    number: int
    name: str
    parent: int | None
    nursery: int
    state: str
    on: str
    held: int
    stack: tuple[Frame, ...]
    deadline: float | None
    cancelled: bool
    points: int
    age: float | None
    busy: float | None
    delayed: float | None
    steps: int

    @property
    def where(self) -> Frame | None:
        """The innermost place outside Trio and the libraries it is reached through."""
        outside = (each for each in reversed(self.stack) if not each.file.startswith(_LIBRARIES))
        return next(outside, self.stack[-1] if self.stack else None)


def place(stack: tuple[Frame, ...]) -> Frame | None:
    """The innermost frame that is not of Trio or of a library it is reached through, if there is one."""
    outside = (each for each in reversed(stack) if not each.file.startswith(_LIBRARIES))
    return next(outside, stack[-1] if stack else None)
