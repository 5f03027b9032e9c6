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


WORDS = {
    Reason.BELOW_MINIMUM: "The copy is below the instrument's lot or minimum.",
    Reason.NOTHING_TO_CLOSE: "The leader reduced a position of which this subscription holds nothing.",
    Reason.NO_INSTRUMENT: "The follower's venue lists nothing of the same base, quote, settle and kind.",
    Reason.INSTRUMENT_CHANGED: "The venue has changed the instrument since the order was planned.",
    Reason.NOT_AMENDABLE: "The venue cannot change an order of this kind; cancel it and place another.",
    Reason.POSITION_MODE_MISMATCH: "The leader trades in hedge mode, the follower's account is in net mode.",
    Reason.EQUITY_UNKNOWN: "The rule is proportional to equity, and one of the two is not known yet.",
    Reason.EQUITY_STALE: "The rule is proportional to equity, and the last known one is too old.",
    Reason.EQUITY_CURRENCY: "The rule is proportional to equity, but in two currencies.",
    Reason.BASELINE: "The leader order was there before the product began to copy.",
    Reason.NO_NEW_FILL: "The fact tells of no new fill (placed, amended or cancelled).",
    Reason.OLDER_FACT: "A newer fact of the same leader order was planned before.",
    Reason.STALE_SIGNAL: "The signal to open is older than the product allows; reducing orders always go.",
    Reason.PRICE_UNKNOWN: "The rule sizes an order by its value, and the leader's price is not known.",
    Reason.TRADING_OFF: "Trading is switched off for this client, its subscription or its product.",
    Reason.REDUCING_ONLY: "Everything, the product or the client is REDUCING: nothing is opened.",
    Reason.HALTED: "Everything, the product or the client is HALTED: nothing is sent but cancels.",
    Reason.NOT_MIRRORED: "The leader's resting order was not mirrored when placed; neither are its fills.",
    Reason.IN_LINE: "The client's part is where it should be already.",
    Reason.NOT_SUBSCRIBED: "The client does not follow the product (any more).",
    Reason.REVERSED_SPOT: "Spot cannot be copied in reverse: nobody sells coins that he has not.",
    Reason.NO_CREDENTIALS: "No API key is known for the follower's account.",
    Reason.NO_REFERENCE_PRICE: "A spot market buy is bounded by what the leader paid, which is not known.",
}
