"""OKX error codes: what they mean and the HTTP status they come with (documentation, "Error Code"). Pure."""

from typing import Final

from services.simulator.rules import RefusedError

# Those that are not listed here come with HTTP 200.
_HTTP_STATUS: Final = {
    "50000": 400,
    "50001": 503,
    "50002": 400,
    "50011": 429,
    "50014": 400,
    "50102": 401,
    "50103": 401,
    "50104": 401,
    "50105": 401,
    "50106": 401,
    "50107": 401,
    "50111": 401,
    "50112": 401,
    "50113": 401,
    "50115": 405,
    "51000": 400,
    "404": 404,
}

_MESSAGES: Final = {
    "404": "Not Found",
    "50000": "Body for POST request cannot be empty.",
    "50001": "Service temporarily unavailable. Please try again later.",
    "50002": "JSON syntax error",
    "50011": "Too Many Requests",
    "50014": "Parameter {} can not be empty.",
    "50036": "The expTime can't be earlier than the current system time. "
    "Please adjust the expTime and try again.",
    "50037": "Order expired.",
    "50061": "You've reached the maximum order rate limit for this account.",
    "50102": "Timestamp request expired.",
    "50103": 'Request header "OK-ACCESS-KEY" cannot be empty.',
    "50104": 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.',
    "50105": 'Request header "OK-ACCESS-PASSPHRASE" incorrect.',
    "50106": 'Request header "OK-ACCESS-SIGN" cannot be empty.',
    "50107": 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.',
    "50111": "Invalid OK-ACCESS-KEY.",
    "50112": "Invalid OK-ACCESS-TIMESTAMP.",
    "50113": "Invalid signature.",
    "50115": "Invalid request method.",
    "51000": "Parameter {} error",
    "51001": "Instrument ID or Spread ID doesn't exist.",
    "51003": "Either client order ID or order ID is required.",
    "51008": "Order failed. Insufficient USDT balance in account.",
    "51016": "Client order ID already exists.",
    "51020": "Your order should meet or exceed the minimum order amount.",
    "51105": "The number of contracts exceeds the maximum order amount.",
    "51111": "A maximum of 20 orders can be placed in bulk.",
    "51112": "Close order size exceeds your available size.",
    "51121": "Order quantity must be a multiple of the lot size.",
    "51169": "Order failed because you don't have any positions in this direction for this contract "
    "to reduce or close.",
    "51400": "Cancellation failed as the order has been filled, canceled or does not exist.",
    "51500": "You must enter a price, quantity, or TP/SL.",
    "51502": "Order modification failed for insufficient margin.",
    "51503": "Your order has already been filled or canceled.",
    "51603": "Order does not exist.",
    "59000": "Setting failed. Cancel any open orders, close positions, and stop trading bots first.",
    "59102": "Leverage exceeds the maximum limit. Please lower the leverage.",
}

_REFUSALS: Final = {
    "instrument": "51001",
    "parameter": "51000",
    "position_side": "51000",
    "below_minimum": "51020",
    "above_maximum": "51105",
    "not_a_lot": "51121",
    "duplicate_client_order_id": "51016",
    "insufficient_margin": "51008",
    "nothing_to_reduce": "51169",
    "close_too_large": "51112",
    "not_found": "51603",
    "has_orders_or_positions": "59000",
}


class OkxError(Exception):
    """An answer with a code. `parameter` fills the message's gap."""

    def __init__(self, code: str, parameter: str = "") -> None:
        self.code = code
        self.message = _MESSAGES[code].format(parameter)
        self.status = _HTTP_STATUS.get(code, 200)
        super().__init__(f"{code} {self.message}")


def of_refusal(refused: RefusedError, **instead: str) -> OkxError:
    """The engine's refusal in OKX's words; `instead` gives an operation's own code for a refusal."""
    return OkxError(instead.get(refused.refusal, _REFUSALS[refused.refusal]), refused.parameter)
