"""Leverage and margin mode of an instrument, set at the venue before its first order."""

from collections.abc import Mapping
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.intents import Action, Intent
from spider_common.domain.products import MarginMode
from spider_common.domain.reasons import Reason
from spider_common.secret import Credentials
from spider_common.venues.outcomes import Accepted, RateLimited, Refused, Rejected, Unknown, Unsent
from spider_common.venues.venue import VenueClient

REMEMBERED: Final = 100_000
"""Accounts times instruments: the oldest are forgotten beyond it, which costs a request each."""
_AGAIN_S: Final = 0.2


class Leverages:
    """What this process has set. Another one sets it again, which changes nothing.

    It is set before the first opening order of an account in an instrument, and again when an order wants
    another: of two subscriptions that share an account and an instrument, the one that trades has its way.
    What somebody changes by hand at the venue stays until the process ends.
    """

    def __init__(
        self, *, clock: Clock, venues: Mapping[Venue, VenueClient], log: FilteringBoundLogger
    ) -> None:
        self._clock, self._venues, self._log = clock, venues, log
        self._set: dict[tuple[AccountId, str], tuple[int, MarginMode]] = {}

    async def ready(
        self, intent: Intent, credentials: Credentials, *, until: int
    ) -> Accepted | Refused | Unknown:
        """Whether the order may go to its venue. Asks the venue at most once an instrument and account.

        Accepted: it may. Refused: the venue proved that the leverage cannot be, so nothing is opened with
        another. Unknown: nothing was proved until `until` (Unix ns); to ask again later is harmless.
        """
        if intent.leverage is None:
            return Accepted(None)
        at, wanted = (intent.account.account, intent.symbol), (intent.leverage, intent.margin_mode)
        if self._set.get(at) == wanted or not self._concerns(intent):
            return Accepted(None)
        why = "no time was left to set the leverage"
        with trio.move_on_after(max(until - self._clock.now(), 0) / NS_PER_S):
            while True:
                match await self._venues[intent.account.venue].set_leverage(
                    credentials, intent.account, intent.symbol, *wanted
                ):
                    case Accepted() as accepted:
                        self._remember(at, wanted)
                        return accepted
                    case Rejected(code=code, reason=reason):
                        self._tell(intent, f"{code} {reason}")
                        return Refused(Reason.LEVERAGE_NOT_SET)
                    case Refused() as refused:
                        return refused
                    case RateLimited(until=let_in, why=why):
                        await trio.sleep(max(let_in - self._clock.now(), 0) / NS_PER_S)
                    case Unsent(why=why) | Unknown(why=why):
                        await trio.sleep(_AGAIN_S)
        self._tell(intent, why)
        return Unknown(why)

    def _concerns(self, intent: Intent) -> bool:
        """Whether leverage bears on the order. What reduces never waits for it, and spot has none."""
        if intent.action is not Action.PLACE or intent.request.reduces:
            return False
        venue = intent.account.venue
        listed = self._venues[venue].known_instruments.get(venue, intent.symbol)
        return listed is None or listed.kind is not InstrumentKind.SPOT

    def _remember(self, at: tuple[AccountId, str], wanted: tuple[int, MarginMode]) -> None:
        self._set.pop(at, None)
        self._set[at] = wanted
        if len(self._set) > REMEMBERED:
            del self._set[next(iter(self._set))]

    def _tell(self, intent: Intent, words: str) -> None:
        self._log.warning(
            "leverage.not_set",
            order=intent.client_order_id,
            account=intent.account.account,
            symbol=intent.symbol,
            leverage=intent.leverage,
            margin_mode=intent.margin_mode,
            why=words,
        )
