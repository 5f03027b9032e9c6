"""The acceptance cards: what must hold at every venue before it may trade. PURE.

``tests/venues/cards.py`` holds each of them against each venue's simulator; `spider venues --cards` prints
them. To a venue they are the list of what its client and session have to do.
"""

from typing import Final

import msgspec


class Card(msgspec.Struct, frozen=True):
    """One case: `name` is unique, `text` says in one line what holds."""

    group: str
    name: str
    text: str


_GROUPS: Final = {
    "session": {
        "ready": "A socket logs in, subscribes, says that it is ready, and the account is swept.",
        "wrong_key": "An unknown key never becomes ready, and is tried with pauses.",
        "secrets_unsaid": "No log line of a session, good or failed, has the secret or the passphrase.",
        "placed_is_told": "An order placed by hand is told as live, with size, price and side as placed.",
        "fill_is_told": "A fill is told as a filled order; socket or sweep tell its price and fee.",
        "parts_are_told": "Partial fills are told one by one, and the cumulative fill never goes back.",
        "cancel_is_told": "A cancelled order is told as cancelled with what was filled of it.",
        "amend_is_told": "A changed size and price are told.",
        "position_is_told": "What is held after a fill is told as signed base quantity.",
        "equity_is_told": "What the account is worth is told.",
        "liquidation_is_told": "Liquidations and ADL are told as market orders that only reduce.",
        "hedged_liquidation_is_told": "In hedge mode too, each of the position that it closes.",
        "conditional_is_told": "What waits for a price is told as live, with what it is for and its trigger.",
        "moved_trigger_is_told": "A conditional order that waits for another price now is a new fact.",
        "cancelled_conditional_is_told": "A conditional order that is called off is told as cancelled.",
        "fired_conditional_is_told": "One whose price comes is told as triggered; what it became names it.",
        "hedge_is_told": "In hedge mode each order and position is told with its position side.",
        "own_id_comes_back": "A client order id of 32 letters and digits comes back unchanged.",
        "quiet_hour": "An hour without an event keeps one and the same socket open.",
        "two_days": "Two days later orders are still told, and one socket is open.",
        "drop_comes_back": "A broken socket comes back by itself and the account is swept again.",
        "drop_loses_nothing": "What happened while no socket was open is told once one is.",
        "rotation_loses_nothing": "What happens while the venue ends a socket is told; one socket is left.",
        "repeat_is_one_event": "A push that comes twice is one event.",
        "lost_push_is_made_up": "A push that is lost is made up by the next one of its order.",
        "unreadable_is_kept": "A frame that cannot be read is kept whole and counted; the account is swept.",
    },
    "order": {
        "market": "A market order is placed as asked and is found as filled.",
        "limit": "A limit order rests at its price and is found as live.",
        "post_only": "A post-only order that would take is cancelled without a fill.",
        "ioc": "An immediate-or-cancel order takes what is there and gives the rest back.",
        "fok": "A fill-or-kill order that cannot be filled whole is cancelled without a fill.",
        "exact_size": "Base quantity to venue size and back is exact for what is placed.",
        "cancel": "An open order is cancelled, by our id and by the venue's.",
        "cancel_twice": "Cancelling what is cancelled is rejected, not unknown.",
        "cancel_unknown": "Cancelling what never was is rejected, not unknown.",
        "cancel_filled": "Cancelling what is filled is rejected and changes nothing.",
        "amend": "An order is amended: one order is open and found, with the new size and price.",
        "amend_size": "An order is amended in its size alone, and found so.",
        "amend_off_the_lot": "An amendment between two lots or ticks is refused by us.",
        "amend_gone": "Amending what is not open changes nothing and places nothing.",
        "reduce_only": "A reducing order reduces, and without a position it is rejected.",
        "hedge": "In hedge mode long and short are opened and closed beside each other.",
        "conditional": "A stop loss waits, is found with its trigger as that is now, and is cancelled.",
        "conditional_limit": "A take profit at a price waits with it, and is found as triggered in the end.",
        "below_minimum": "A size below the minimum is refused by us: the venue hears nothing.",
        "below_the_value": "An order worth less than the venue lists is rejected, one worth it is accepted.",
        "off_the_lot": "A size between two lots is refused by us: the venue hears nothing.",
        "off_the_tick": "A price between two ticks is refused by us: the venue hears nothing.",
        "not_listed": "An instrument that is not listed is refused by us: the venue hears nothing.",
        "no_margin": "An order above what the account can pay is rejected with the venue's words.",
    },
    "doubt": {
        "reply_lost": "The answer is lost after the order was taken: unknown, and the order is found.",
        "error_with_effect": "A gateway's error after the order was taken: unknown, and the order is found.",
        "error_without_effect": "A gateway's error without an order: unknown, and nothing is found.",
        "maintenance": "Under maintenance orders are unknown or unsent, never rejected; questions fail.",
        "reply_late": "An answer that takes too long is not waited for: unknown, and the order is found.",
        "hidden": "An accepted order that queries do not show yet is not found, and later found.",
        "expired_on_the_way": "A request that arrives after its expiry places nothing.",
        "expired_before": "A request that has expired before it is sent is unsent.",
        "expiry_by_the_venues_clock": "The venue's clock ahead or behind: in time is taken, late is not.",
        "nobody_listens": "A refused connection is unsent: there is surely no order.",
        "same_id_twice": "A pending order's id sent again proves nothing: unknown, and one order is there.",
        "cancel_reply_lost": "A cancel whose answer is lost is not accepted; the order is found cancelled.",
        "amend_reply_lost": "An amendment whose answer is lost is unknown, and it is found as made.",
        "amend_not_made": "One that an error keeps from the venue is unknown; the order is found as it was.",
        "deaf_is_not_absent": "A venue that does not answer is unknown to a question, never 'not found'.",
        "found_in_history": "An order that ended a while ago is found by our id.",
    },
    "sweep": {
        "open_orders": "A sweep tells the open orders.",
        "same_events": "A sweep makes the same event ids as the socket.",
        "conditionals": "A sweep tells what waits for a price, and what has ended of it, as the socket does.",
        "same_executions": "A sweep makes the same executions as the socket.",
        "positions": "A sweep tells what is held, signed, and which kinds of instruments it tells whole.",
        "all_positions": "A sweep tells every instrument's position with its leverage, margin mode and mark.",
        "equity": "A sweep tells what the account is worth.",
        "twice_is_once": "Sweeping twice tells the same events.",
        "cancelled_in_part": "An order cancelled after a partial fill is told so, with that fill.",
        "old_order_new_fill": "An order made long before the last sweep and filled since is told.",
        "many_pages": "More orders than a page holds are all told, once.",
        "deaf_is_an_error": "A venue that does not answer fails the sweep; it never tells of nothing.",
        "other_accounts_untold": "An account's sweep tells nothing of another account.",
    },
    "limits": {
        "burst_waits": "A burst of orders that waits its turn is accepted whole, none rate limited.",
        "flood_is_told": "A flood that does not wait is told as rate limited, and what is, is not placed.",
        "backs_off": "After a rate limit the next turn comes no sooner than the time it gave.",
        "others_go_on": "An account's rate limit holds up no other account.",
        "stated": "Capabilities state amendment, expiry, batches and limits for people.",
    },
    "account": {
        "instruments": "Every instrument is known with its steps, its contract in base coin and least value.",
        "server_time": "The venue's clock is told.",
        "marks": "The price of every listed instrument is told, as of now.",
        "permissions": "A key that trades and cannot withdraw, and from where, is told.",
        "withdrawal_is_seen": "A key that may withdraw is told as such.",
        "leverage": "Leverage is set, and too much of it is rejected.",
        "hedge_mode": "The position mode is set, and with a position open the change is rejected.",
        "wrong_secret": "An order signed with a wrong secret is rejected.",
    },
    "spot": {
        "listed": "Spot and swap of the same coins are two instruments, each of its kind.",
        "buy": "A spot buy at the market is for the base quantity asked, whatever the venue counts in.",
        "sell": "A spot sale that closes is a plain sale: spot has nothing that only reduces.",
        "limit": "A spot limit order is found as live at its price.",
        "ioc": "What a spot order cannot take at once is given back.",
        "exact_size": "Spot sizes are exact both ways.",
        "cancel": "An open spot order is cancelled by our id and by the venue's.",
        "below_minimum": "A spot size below the minimum is not sent.",
        "reply_lost": "A spot order whose answer is lost is unknown, and then found.",
        "expired_on_the_way": "A spot request that is too late places nothing.",
        "found_in_history": "A spot order that has ended is found by our id.",
        "placed_is_told": "The socket tells a spot order placed by hand, in net mode.",
        "fill_is_told": "A spot fill is told with its price, quantity and fee.",
        "parts_are_told": "A spot order's partial fills are told, and never go back.",
        "cancel_is_told": "A spot order cancelled in part is told as such.",
        "drop_loses_nothing": "Spot trades of the time without a socket are told after it.",
        "open_orders": "A sweep tells the open spot orders.",
        "coins": "A sweep tells a coin as what is held of its pair, and nothing of one that is gone.",
        "same_events": "For spot too a sweep makes the event ids of the socket.",
        "twice_is_once": "Sweeping spot twice tells the same events.",
    },
}

CARDS: Final = tuple(
    Card(group, f"{group}.{name}", text) for group, cards in _GROUPS.items() for name, text in cards.items()
)
