"""BingX error codes and what they say (documentation, "Common error codes" and the endpoints' tables). Pure.

They come with HTTP 200, but for those of gateways.
"""

from typing import Final

from services.simulator.rules import RefusedError

_MESSAGES: Final = {
    "100001": "signature verification failed",
    "100400": "this api is not exist",
    "100410": "rate limited",
    "100412": "Null signature",
    "100413": "Incorrect apiKey",
    "100421": "Null timestamp or timestamp mismatch",
    "100503": "service unavailable, please try again later",
    "101204": "Insufficient margin",
    "101205": "No position to close",
    "101215": "The Maker (Post Only) order ensures that the user always acts as a maker",
    "101400": "Invalid parameters: {}",
    "101414": "The maximum leverage for the trading pair is exceeded, please reduce the leverage",
    "101481": "The client order ID already exists: {}",
    "104103": "The account has positions or pending orders, the position mode is locked",
    "109201": "The same order number is only allowed to be submitted once within 1 second",
    "109400": "Invalid parameters, err:{}",
    "109421": "order not exist",
    "109425": "{} not exist, please verify it in api: /openApi/swap/v2/quote/contracts",
    "110425": "Please ensure that the minimum nominal value of the order placed must be greater than 2u",
    "80016": "order does not exist",
    "80018": "order is already filled",
}

_REFUSALS: Final = {
    "instrument": "109425",
    "parameter": "109400",
    "position_side": "109400",
    "below_minimum": "101400",
    "above_maximum": "101400",
    "not_a_lot": "101400",
    "duplicate_client_order_id": "101481",
    "insufficient_margin": "101204",
    "nothing_to_reduce": "101205",
    "close_too_large": "101205",
    "not_found": "109421",
    "has_orders_or_positions": "104103",
}


class BingxError(Exception):
    """An answer with a code. `detail` fills the message's gap, and `words` are said in its place: the spot
    section has few codes and says in words what it means."""

    def __init__(self, code: str, detail: str = "", *, words: str = "") -> None:
        self.code = code
        self.message = words or _MESSAGES[code].format(detail)
        super().__init__(f"{code} {self.message}")


def of_refusal(refused: RefusedError, **instead: str) -> BingxError:
    """The engine's refusal in BingX's words; `instead` gives an operation's own code for a refusal."""
    return BingxError(instead.get(refused.refusal, _REFUSALS[refused.refusal]), refused.parameter)
