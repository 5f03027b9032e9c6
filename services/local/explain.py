"""What our journal says of each copy, held against the venues' ledgers. Pure.

The second step after `judge`, which asks no record of ours: here every execution of a leader must have
come, for each follower, to an order that its venue has, or to a reason why there is none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from services.local.judge import LISTED
from services.local.seed import Follower, Team
from services.simulator.ledger import Entry, Executed, Placed
from spider_common.domain.identifiers import AccountId, ClientId, Venue, shard_of
from spider_common.domain.intents import Intent, LeaderEvent
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState

Ledgers = Mapping[Venue, Sequence[Entry]]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the leaders' executions, counted once for each follower.

    Attributes:
        copied: those that an order at the follower's venue covers.
        reasons: those that none covers, by state and reason: ``skipped below_minimum``.
        unexplained: what the journal does not account for, and orders that it does not know, in words.
    """

    copied: int
    reasons: dict[str, int]
    unexplained: tuple[str, ...]


class _Fill(msgspec.Struct, frozen=True):
    """A leader's execution: its order has come to `filled` (base quantity)."""

    order_id: str
    filled: Decimal


def explain(ledgers: Ledgers, teams: Sequence[Team], rows: Sequence[JournalRow]) -> Explanation:
    """Goes through every execution of every leader, and every follower of it."""
    placed = {
        entry.order.client_order_id: entry.order.account
        for entries in ledgers.values()
        for entry in entries
        if isinstance(entry, Placed)
    }
    plans: dict[tuple[str, str], list[JournalRow]] = {}
    of_leaders = [(row.event, row) for row in rows if isinstance(row.event, LeaderEvent)]
    for event, row in sorted(of_leaders, key=lambda pair: pair[0].fact.cum_filled):
        plans.setdefault((event.product, event.fact.venue_order_id), []).append(row)
    copied, reasons, unexplained = 0, Counter[str](), list[str]()
    for team in teams:
        for fill in _fills(ledgers[team.venue], team):
            for follower in team.followers:
                intents = _intents(plans.get((team.product, fill.order_id), ()), fill, follower)
                if any(placed.get(each.client_order_id) == follower.account for each in intents):
                    copied += 1
                elif reason := _reason(intents):
                    reasons[reason] += 1
                else:
                    said = ", ".join(f"{each.client_order_id} is {each.state}" for each in intents)
                    where = f"leader order {fill.order_id} at {fill.filled}, {follower.account}"
                    unexplained.append(f"{where}: {said or 'no plan'}")
    known = {each.client_order_id for row in rows for each in row.intents}
    accounts = {follower.account for team in teams for follower in team.followers}
    unexplained += [
        f"order {order} of {account} is in no plan"
        for order, account in placed.items()
        if account in accounts and order not in known
    ]
    return Explanation(copied=copied, reasons=dict(reasons), unexplained=tuple(unexplained))


def executed(ledgers: Ledgers, teams: Sequence[Team]) -> dict[tuple[str, str], Decimal]:
    """What each follower's executions add up to (signed base quantity), by its client and symbol."""
    clients = {follower.account: follower.client for team in teams for follower in team.followers}
    sums: dict[tuple[str, str], Decimal] = {}
    for venue, entries in ledgers.items():
        units = {each.symbol: each.unit for each in LISTED[venue]}
        for entry in entries:
            if isinstance(entry, Executed) and (client := clients.get(AccountId(entry.order.account))):
                order = entry.order
                size = entry.execution.size * order.sign * units[order.symbol]
                sums[client, order.symbol] = sums.get((client, order.symbol), Decimal(0)) + size
    return sums


def _fills(entries: Sequence[Entry], team: Team) -> Iterator[_Fill]:
    units = {each.symbol: each.unit for each in LISTED[team.venue]}
    for entry in entries:
        if isinstance(entry, Executed) and entry.order.account == team.leader:
            yield _Fill(entry.order.order_id, entry.order.filled * units[entry.order.symbol])


def _intents(plans: Sequence[JournalRow], fill: _Fill, follower: Follower) -> tuple[Intent, ...]:
    """What was planned for a follower of the first fact that has the fill in it. `plans` are in order."""
    for row in plans:
        event = row.event
        mine = shard_of(ClientId(follower.client), event.shards) == event.shard
        if mine and isinstance(event, LeaderEvent) and event.fact.cum_filled >= fill.filled:
            return tuple(each for each in row.intents if each.client == follower.client)
    return ()


def _reason(intents: Sequence[Intent]) -> str:
    """Why none of the intents was placed; empty if one of them does not say."""
    told = [f"{each.state} {each.reason}" for each in intents if each.state in _ENDED and each.reason]
    return told[-1] if told and len(told) == len(intents) else ""


_ENDED: Final = frozenset({CopyState.SKIPPED, CopyState.DENIED, CopyState.REJECTED})
