"""`SharedBuckets`: the rate budgets of a venue, one for all tasks, in the cache.

A bucket is one value, ``free_at closed_until`` in microseconds of the cache's clock: of several tasks
each has a clock of its own, and two clocks a second apart would let a second's requests through twice.
So a task never tells its time: it sends and gets durations. A value lives as long as it says more than
its absence does.

Which task's turn it is the cache does not know: order and fairness hold within a task, the limits for
all. The keys of one call are read and written together, so all of a venue are on one node of a cluster:
its name is their hash tag.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from spider_common.budgets.limits import ADDRESS, Bucket, Limit, Name, Table, Wanted
from spider_common.budgets.local import take_all
from spider_common.clock import NS_PER_S, Clock
from spider_common.stores.cache import Cache, CacheUnavailable, Reply, Script, Values

ANSWER_WITHIN_S: Final = 0.05
"""How long an order may wait for the cache, which answers within a millisecond or is in trouble."""
ASK_AGAIN_AFTER_S: Final = 1.0
_NS_PER_US: Final = 1_000


class SharedBuckets:
    """`spider_common.budgets.local.Buckets` over a `Cache`.

    Without the cache each task goes on with its share of every limit, so that all tasks together stay
    within it while all are without; and a change from one to the other starts with nothing that may go at
    once, since what was counted on the other side is not known. While some tasks reach the cache and
    others do not, a window can hold up to the limit and the others' shares.

    Args:
        venue: stands in the keys: buckets of different venues are apart.
        egress: the address that the venue sees; buckets named with `ADDRESS` are counted for it.
        tasks: how many tasks may be running, all services that use these buckets together.
        answer_within_s: how long a call of the cache may take.

    Attributes:
        losses, recoveries: how often the cache was lost and found again; each is logged once.
    """

    def __init__(
        self,
        cache: Cache,
        clock: Clock,
        *,
        venue: str,
        egress: str,
        tasks: int,
        log: FilteringBoundLogger,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self.losses = self.recoveries = 0
        self._cache, self._clock, self._log = cache, clock, log
        self._venue, self._egress, self._tasks = venue, egress, tasks
        self._answer_within_s = answer_within_s
        self._known = Table()  # what the cache said last: a bucket is ready no earlier
        self._shares = Table()
        self._untold: dict[Name, int] = {}  # until when buckets are closed that the cache does not know of
        self._lost_at: int | None = None
        self._ask_at = 0

    @property
    def is_shared(self) -> bool:
        """False while the cache is lost."""
        return self._lost_at is None

    def state(self, name: Name, limit: Limit) -> Bucket:
        now = self._clock.now()
        known = self._known.get(name, limit, now)
        if self._lost_at is None:
            return known
        share = self._shares.find(name)
        if share is None:
            share = Bucket(limit.share(self._tasks), closed_until=known.closed_until)
            share.drain(self._lost_at)
            self._shares.put(name, share, now)
        return share

    async def take(self, requests: Sequence[Wanted]) -> Sequence[bool]:
        limits = dict(each for wanted in requests for each in wanted)
        taken = await self._ask(limits, requests)
        if taken is not None:
            return taken
        now = self._clock.now()
        return [take_all([self.state(*each) for each in wanted], now) for wanted in requests]

    async def close(self, name: Name, limit: Limit, until: int) -> None:
        self._untold[name] = max(self._untold.get(name, 0), until)
        self._known.get(name, limit, self._clock.now()).close(until)
        self.state(name, limit).close(until)
        await self._ask({name: limit}, ())

    async def _ask(self, limits: dict[Name, Limit], requests: Sequence[Wanted]) -> list[bool] | None:
        """Which requests got their tokens; None without the cache."""
        now = self._clock.now()
        if self._lost_at is not None and now < self._ask_at:
            return None
        names = list(limits)
        told = {name: self._untold[name] for name in names if name in self._untold}
        places = {name: place for place, name in enumerate(names, 1)}
        arguments = [number for name in names for number in self._terms(name, limits[name], now)]
        arguments += [" ".join(str(places[name]) for name, _ in wanted) for wanted in requests]
        try:
            with trio.fail_after(self._answer_within_s):
                reply = await self._cache.run(
                    TAKE, [self._key(name) for name in names], [each.encode() for each in arguments]
                )
        except (CacheUnavailable, trio.TooSlowError) as error:
            self._lose(error)
            return None
        self._find()
        for name, until in told.items():
            if self._untold.get(name) == until:
                del self._untold[name]
        assert isinstance(reply, bytes)
        flags, *numbers = reply.decode().split(" ")
        self._learn(limits, [int(each) * _NS_PER_US for each in numbers])
        return [flag == "1" for flag in flags[1:]]

    def _terms(self, name: Name, limit: Limit, now: int) -> tuple[str, str, str, str]:
        """What the script is told of a bucket."""
        share = self._shares.find(name)
        drains = share is not None and share.free_at + limit.window > now
        closed_for = max(self._untold.get(name, 0) - now, 0)
        return (
            str(limit.interval // _NS_PER_US),
            str(limit.burst // _NS_PER_US),
            "1" if drains else "0",
            str(-(-closed_for // _NS_PER_US)),
        )

    def _learn(self, limits: dict[Name, Limit], numbers: Sequence[int]) -> None:
        now = self._clock.now()  # after the answer: a bucket is never thought to be ready too early
        for place, (name, limit) in enumerate(limits.items()):
            free_for, closed_for = numbers[2 * place : 2 * place + 2]
            known = Bucket(limit, free_at=now + free_for, closed_until=now + closed_for)
            known.close(self._untold.get(name, 0))
            self._known.put(name, known, now)
            self._shares.pop(name)

    def _lose(self, error: Exception) -> None:
        now = self._clock.now()
        self._ask_at = now + round(ASK_AGAIN_AFTER_S * NS_PER_S)
        if self._lost_at is None:
            self._lost_at, self._shares = now, Table()
            self.losses += 1
            self._log.warning("budgets.local", venue=self._venue, tasks=self._tasks, error=repr(error))

    def _find(self) -> None:
        if self._lost_at is not None:
            self._lost_at = None
            self.recoveries += 1
            self._log.info("budgets.shared", venue=self._venue)

    def _key(self, name: Name) -> str:
        parts = [name] if isinstance(name, str) else list(name)
        if parts[0] == ADDRESS:
            parts.insert(1, self._egress)
        return f"budget:{{{self._venue}}}:{msgspec.json.encode(parts).decode()}"


def _take(values: Values, keys: Sequence[str], arguments: Sequence[bytes]) -> Reply:
    now = values.now_us
    terms = [int(each) for each in arguments[: 4 * len(keys)]]
    intervals, bursts, drains, closings = (terms[first::4] for first in range(4))
    free, closed, is_changed = [], [], [False] * len(keys)
    for place, key in enumerate(keys):
        free_at, closed_until = (int(each) for each in values.get(key, b"0 0").split())
        if drains[place]:
            free_at, is_changed[place] = max(free_at, now + bursts[place] + intervals[place]), True
        if closings[place]:
            closed_until, is_changed[place] = max(closed_until, now + closings[place]), True
        free.append(free_at)
        closed.append(closed_until)
    flags = "t"
    for request in arguments[4 * len(keys) :]:
        places = [int(each) - 1 for each in request.split()]
        is_ready = all(max(free[place] - bursts[place], closed[place]) <= now for place in places)
        for place in places if is_ready else ():
            free[place], is_changed[place] = max(free[place], now) + intervals[place], True
        flags += "1" if is_ready else "0"
    for place, key in enumerate(keys):
        if is_changed[place]:
            left = max(free[place], closed[place]) - now
            values.keep(key, f"{free[place]} {closed[place]}".encode(), ttl_ms=-(-left // 1000))
    rest = (f" {max(free[i] - now, 0)} {max(closed[i] - now, 0)}" for i in range(len(keys)))
    return (flags + "".join(rest)).encode()


TAKE: Final = Script(
    """
    -- KEYS: buckets. ARGV: for each of them interval, burst, whether to drain it and for how long to close
    -- it, in microseconds; then the requests, each the places of its buckets in KEYS.
    -- Answers a flag for each request, then for each bucket how long until it is free and until it is open.
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local function whole(number) return string.format('%.0f', number) end
    local free, closed, interval, burst, changed = {}, {}, {}, {}, {}
    for i, key in ipairs(KEYS) do
      local at = 4 * (i - 1)
      interval[i], burst[i] = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
      local drains, closing = ARGV[at + 3] == '1', tonumber(ARGV[at + 4])
      local f, c = string.match(redis.call('GET', key) or '0 0', '^(%d+) (%d+)$')
      free[i], closed[i] = tonumber(f), tonumber(c)
      if drains then
        free[i], changed[i] = math.max(free[i], now + burst[i] + interval[i]), true
      end
      if closing > 0 then
        closed[i], changed[i] = math.max(closed[i], now + closing), true
      end
    end
    local answer = { 't' }
    for r = 4 * #KEYS + 1, #ARGV do
      local ready = true
      for place in string.gmatch(ARGV[r], '%d+') do
        local i = tonumber(place)
        if math.max(free[i] - burst[i], closed[i]) > now then ready = false end
      end
      if ready then
        for place in string.gmatch(ARGV[r], '%d+') do
          local i = tonumber(place)
          free[i], changed[i] = math.max(free[i], now) + interval[i], true
        end
      end
      answer[#answer + 1] = ready and '1' or '0'
    end
    for i, key in ipairs(KEYS) do
      if changed[i] then
        local left = math.max(free[i], closed[i]) - now
        redis.call('SET', key, whole(free[i]) .. ' ' .. whole(closed[i]), 'PX', whole(math.ceil(left / 1000)))
      end
    end
    for i in ipairs(KEYS) do
      answer[#answer + 1] = ' ' .. whole(math.max(free[i] - now, 0))
      answer[#answer + 1] = ' ' .. whole(math.max(closed[i] - now, 0))
    end
    return table.concat(answer)
    """,
    _take,
)
