"""What goes wrong at a venue, on demand. Pure; everything is off until armed."""

import dataclasses
from collections import Counter
from typing import Final, Literal

import msgspec

Point = Literal["place", "amend", "cancel", "push"]
FaultKind = Literal[
    "lose_reply",  # the request has its effect, the connection closes without an answer
    "late_reply",  # the request has its effect, the answer waits for `delay`
    "error_with_effect",  # the request has its effect, the answer is a gateway's 502
    "error_without_effect",  # the same 502, and nothing happened
    "hold_request",  # the request waits for `delay` before the venue looks at it
    "hide_order",  # the accepted order is "not found" for `delay`
    "maintenance",  # this request and, for `delay`, all others get the venue's word for it and have no effect
    "duplicate_push",
    "drop_push",
    "overtake_push",  # the account's next push is told before it
    "drop_sockets",  # every socket of the account breaks; what was not sent by then is lost
]

_PUSH_FAULTS: Final = ("duplicate_push", "drop_push", "overtake_push", "drop_sockets")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault: strikes `times` times, from the `nth` matching event after arming on.

    `account` None matches any. `on` is ignored by faults of pushes. `delay` is in ns.
    """

    kind: FaultKind
    account: str | None = None
    on: Literal["place", "amend", "cancel"] = "place"
    nth: int = 1
    times: int = 1
    delay: int = 0

    @property
    def point(self) -> Point:
        return "push" if self.kind in _PUSH_FAULTS else self.on


@dataclasses.dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0


class Faults:
    """The faults that wait for their moment."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self.struck: Counter[FaultKind] = Counter()  # how often each kind has struck so far

    def arm(self, fault: Fault) -> None:
        """Raises ValueError: a fault that could never strike."""
        if fault.nth < 1 or fault.times < 1 or fault.delay < 0:
            raise ValueError("fault: nth and times count from 1 and delay from 0")
        self._armed.append(_Armed(fault))

    def strike(self, point: Point, account: str) -> dict[FaultKind, Fault]:
        """Counts one event at a point and returns the faults that strike it."""
        struck: dict[FaultKind, Fault] = {}
        for armed in self._armed:
            fault = armed.fault
            if fault.point != point or fault.account not in (None, account):
                continue
            armed.seen += 1
            if armed.seen >= fault.nth:
                struck[fault.kind] = fault
        self.struck.update(struck.keys())
        self._armed = [a for a in self._armed if a.seen < a.fault.nth + a.fault.times - 1]
        return struck

    def clear(self) -> None:
        self._armed.clear()
