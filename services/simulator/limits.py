"""Rate limits as the venues count: so many events in any two seconds, or in a window of one's own. Pure."""

from collections import deque
from typing import Final

from spider_common.clock import NS_PER_S

_TWO_SECONDS: Final = 2 * NS_PER_S


class RateLimits:
    """Sliding windows by key. A refused event does not count."""

    def __init__(self, window: int = _TWO_SECONDS) -> None:
        self._window = window  # ns
        self._events: dict[tuple[str, ...], deque[int]] = {}

    def allow(self, key: tuple[str, ...], limit: int, now: int, *, count: int = 1) -> bool:
        """Whether `count` more events fit; they count if they do."""
        events = self._events.setdefault(key, deque())
        while events and events[0] <= now - self._window:
            events.popleft()
        if len(events) + count > limit:
            return False
        events.extend([now] * count)
        return True
