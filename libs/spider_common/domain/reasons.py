"""Why a copy was skipped or denied: a code for machines, its words for people."""

from enum import StrEnum


class Reason(StrEnum):
    """A code; `WORDS` has its meaning, and the docs list both from there."""

    BELOW_MINIMUM = "below_minimum"
    NOTHING_TO_CLOSE = "nothing_to_close"
    NO_INSTRUMENT = "no_instrument"
    INSTRUMENT_CHANGED = "instrument_changed"
    NOT_AMENDABLE = "not_amendable"
    POSITION_MODE_MISMATCH = "position_mode_mismatch"
    EQUITY_UNKNOWN = "equity_unknown"
    EQUITY_STALE = "equity_stale"
    EQUITY_CURRENCY = "equity_currency"
    BASELINE = "baseline"
    NO_NEW_FILL = "no_new_fill"
    OLDER_FACT = "older_fact"
    PRICE_UNKNOWN = "price_unknown"
    STALE_SIGNAL = "stale_signal"
    TRADING_OFF = "trading_off"
    REDUCING_ONLY = "reducing_only"
    HALTED = "halted"
    NOT_MIRRORED = "not_mirrored"
    IN_LINE = "in_line"
    NOT_SUBSCRIBED = "not_subscribed"
    REVERSED_SPOT = "reversed_spot"
    NO_CREDENTIALS = "no_credentials"
    NO_REFERENCE_PRICE = "no_reference_price"
    INSTRUMENT_DENIED = "instrument_denied"
    FAT_FINGER = "fat_finger"
    MAX_ORDER_NOTIONAL = "max_order_notional"
    MAX_POSITION_NOTIONAL = "max_position_notional"
    MAX_OPEN_ORDERS = "max_open_orders"
    MAX_LEVERAGE = "max_leverage"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    MARK_UNKNOWN = "mark_unknown"
    POSITIONS_UNKNOWN = "positions_unknown"
    OPEN_ORDERS_UNKNOWN = "open_orders_unknown"
    LEVERAGE_NOT_SET = "leverage_not_set"


WORDS = {
    Reason.BELOW_MINIMUM: "The copy is below the instrument's lot or minimum.",
    Reason.NOTHING_TO_CLOSE: "The leader reduced a position of which this subscription holds nothing.",
    Reason.NO_INSTRUMENT: "The follower's venue lists nothing of the same base, quote, settle and kind.",
    Reason.INSTRUMENT_CHANGED: "The venue has changed the instrument since the order was planned.",
    Reason.NOT_AMENDABLE: "The venue cannot change an order of this kind; cancel it and place another.",
    Reason.POSITION_MODE_MISMATCH: "The leader trades in hedge mode, the follower's account is in net mode.",
    Reason.EQUITY_UNKNOWN: "A rule or a limit needs an equity that is not known yet.",
    Reason.EQUITY_STALE: "A rule or a limit needs an equity, and the last known one is too old.",
    Reason.EQUITY_CURRENCY: "A rule or a limit compares with an equity in another currency.",
    Reason.BASELINE: "The leader order was there before the product began to copy.",
    Reason.NO_NEW_FILL: "The fact tells of no new fill (placed, amended or cancelled).",
    Reason.OLDER_FACT: "A newer fact of the same leader order was planned before.",
    Reason.STALE_SIGNAL: "The signal to open is older than the product allows; reducing orders always go.",
    Reason.PRICE_UNKNOWN: "A rule or a limit needs the leader's price, which is not known.",
    Reason.TRADING_OFF: "Trading is switched off for this client, its subscription or its product.",
    Reason.REDUCING_ONLY: "Everything, the product or the client is REDUCING: nothing is opened.",
    Reason.HALTED: "Everything, the product or the client is HALTED: nothing is sent but cancels.",
    Reason.NOT_MIRRORED: "The leader's resting order was not mirrored when placed; neither are its fills.",
    Reason.IN_LINE: "The client's part is where it should be already.",
    Reason.NOT_SUBSCRIBED: "The client does not follow the product (any more).",
    Reason.REVERSED_SPOT: "Spot cannot be copied in reverse: nobody sells coins that he has not.",
    Reason.NO_CREDENTIALS: "No API key is known for the follower's account.",
    Reason.NO_REFERENCE_PRICE: "A spot market buy is bounded by what the leader paid, which is not known.",
    Reason.INSTRUMENT_DENIED: "A limit's `deny` names the instrument, or its `allow` does not.",
    Reason.FAT_FINGER: "The leader's price is further from the mark price than `fat_finger_bps`.",
    Reason.MAX_ORDER_NOTIONAL: "The order is worth more than `max_order_notional`.",
    Reason.MAX_POSITION_NOTIONAL: "With the order the position is worth more than `max_position_notional`.",
    Reason.MAX_OPEN_ORDERS: "As many orders as `max_open_orders` rest at the venue already.",
    Reason.MAX_LEVERAGE: "With the order all positions are worth more than `max_leverage` times equity.",
    Reason.DAILY_LOSS: "The account has lost more than `max_daily_loss` since midnight UTC.",
    Reason.DRAWDOWN: "The account's equity is below its highest by more than `max_drawdown`.",
    Reason.MARK_UNKNOWN: "A limit needs the mark price, which is not known or too old.",
    Reason.POSITIONS_UNKNOWN: "A limit needs the account's positions, which are not known or too old.",
    Reason.OPEN_ORDERS_UNKNOWN: "A limit needs the account's open orders, which are not known.",
    Reason.LEVERAGE_NOT_SET: "The venue refused the leverage or the margin mode; the log has its words.",
}
