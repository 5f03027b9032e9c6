"""ccxt as a codec: it builds, signs and parses; what it would send, we send.

One codec serves all accounts of a venue: credentials are on ccxt's object just while it signs, and
nothing waits meanwhile. ccxt's own network, clock, rate limiter and broker marks are out of use.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.instruments import SPOT_MARK
from spider_common.secret import Credentials

T = TypeVar("T")

_ODD: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # ccxt at an odd row
_MOST_FORMS: Final = 1_000  # instruments, sides and kinds in use; trigger prices make forms of their own
_MARKS: Final = frozenset({"X-CHANNEL-API-CODE", "X-SOURCE-KEY"})  # tell the venue of a broker: not ours


class VenueRequest(msgspec.Struct, frozen=True):
    """A request that is not signed yet: it holds no secret and may be kept or logged.

    Attributes:
        api: ccxt's section of the venue's API, for example `("private",)`.
        path: without the section, for example `trade/order`.
        params: values are text, booleans, integers, or lists and mappings of those; never floats.
        listed: the venue wants the params as the one entry of a list, as a batch of one.
    """

    api: tuple[str, ...]
    method: str
    path: str
    params: Mapping[str, Any]
    listed: bool = False


class SignedRequest(msgspec.Struct, frozen=True):
    """A request ready to be sent. Its repr leaves out query, headers and body: they hold credentials."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"SignedRequest({self.method} {self.url.partition('?')[0]})"


class _Kind(msgspec.Struct, frozen=True):
    """One kind of instrument of a venue: where it is listed, and what its order requests name things."""

    section: str
    path: str
    size: str
    client_order_id: str
    price: str = "price"
    asked: Mapping[str, str] = {}  # filters of the listing
    listed_in: str | None = None  # the field of the answer's data that holds the rows
    renamed: Mapping[str, str] = {}
    mark: str = ""  # after the venue's own id, where both kinds share it


class _Venue(msgspec.Struct, frozen=True):
    """Where the venues differ for us."""

    swap: _Kind
    spot: _Kind
    options: Mapping[str, Any] = {}


_VENUES: Final[Mapping[str, _Venue]] = {
    "okx": _Venue(
        swap=_Kind("public", "public/instruments", "sz", "clOrdId", "px", asked={"instType": "SWAP"}),
        spot=_Kind("public", "public/instruments", "sz", "clOrdId", "px", asked={"instType": "SPOT"}),
        options={"createOrder": "privatePostTradeOrder", "fetchMarkets": {"types": ["swap", "spot"]}},
    ),
    "bitget": _Venue(
        swap=_Kind(
            "public", "v2/mix/market/contracts", "size", "clientOid", asked={"productType": "USDT-FUTURES"}
        ),
        spot=_Kind("public", "v2/spot/public/symbols", "size", "clientOid", mark=SPOT_MARK),
        options={"uta": False},
    ),
    "bingx": _Venue(
        swap=_Kind(
            "swap",
            "quote/contracts",
            "quantity",
            "clientOrderId",
            renamed={"clientOrderID": "clientOrderId"},  # the name of BingX's swap documentation
        ),
        spot=_Kind(
            "spot",
            "common/symbols",
            "quantity",
            "newClientOrderId",
            listed_in="symbols",
            mark=SPOT_MARK,
        ),
    ),
}

VENUES: Final = tuple(_VENUES)


class _Form(msgspec.Struct, frozen=True):
    """A request that ccxt has built, of which another order's differs by size, price and id alone."""

    request: VenueRequest
    size_step: Decimal
    price_step: Decimal

    def fits(self, size: Decimal, price: Decimal | None) -> bool:
        """Whether both may be sent as they are. What may not is left to ccxt, which says why."""
        fits = size > 0 and not size % self.size_step
        return fits and (price is None or (price > 0 and not price % self.price_step))


class _Built(BaseException):
    """Carries a request out of ccxt. Not an Exception, so that nothing in ccxt takes it for a failure."""

    def __init__(self, request: VenueRequest) -> None:
        super().__init__()
        self.request = request


class _Offline:
    """Laid over a ccxt class: requests are handed out instead of sent, and time is given."""

    now_ms = 0
    answer: Callable[[VenueRequest], Any] | None = None

    def request(
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = None,
        config: Any = None,  # noqa: ARG002 as ccxt calls it
    ) -> Any:
        sections = (api,) if isinstance(api, str) else tuple(api)
        request = VenueRequest(sections, method, path, _plain(params or {}))
        if self.answer is None:
            raise _Built(request)
        return self.answer(request)

    def fetch(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("ccxt must not use the network")

    def milliseconds(self) -> int:
        return self.now_ms


class Codec:
    """One venue's codec for linear swaps and spot.

    Args:
        venue: one of `VENUES`.
        clock: time of signing.
        base_url: origin that replaces that of the venue in every URL, such as a simulator's.
    """

    def __init__(self, venue: str, clock: Clock, *, base_url: str | None = None) -> None:
        if venue not in _VENUES:
            raise ValueError(f"venue {venue!r} is not one of {VENUES}")
        self._venue = _VENUES[venue]
        self._clock = clock
        kind = type(venue, (_Offline, _venue_class(venue)), {})
        self._ccxt: Any = kind({"enableRateLimit": False, "options": dict(self._venue.options)})
        self._ccxt.number = Decimal
        self._error: type[Exception] = sys.modules["ccxt.base.errors"].BaseError
        if base_url is not None:
            self._ccxt.urls["api"] = _moved(self._ccxt.urls["api"], self._ccxt.hostname, base_url)
        self._symbols: dict[str, tuple[str, _Kind]] = {}
        self._forms: dict[str, _Form] = {}

    def set_instruments(
        self, swaps: Sequence[Mapping[str, Any]], spots: Sequence[Mapping[str, Any]] = ()
    ) -> tuple[str, ...]:
        """Take the venue's own lists of linear swaps and of spot, as its REST endpoints give their rows.

        Returns:
            For each row that cannot be traded by, where it is and why. The others are set all the same.
        """
        markets, symbols, unusable = [], {}, []
        for name, kind, rows in (("swap", self._venue.swap, swaps), ("spot", self._venue.spot, spots)):
            for number, row in enumerate(rows):
                try:
                    market = self._market(row, kind)
                except (*_ODD, self._error) as error:
                    why = f"{type(error).__name__}: {error}: {row!r:.200}"
                    unusable.append(f"{name} instrument row {number}: {why}")
                else:
                    markets.append(market)
                    symbols[market["id"] + kind.mark] = (market["symbol"], kind)
        self._ccxt.set_markets(markets)
        self._symbols, self._forms = symbols, {}
        return tuple(unusable)

    def _market(self, row: Mapping[str, Any], kind: _Kind) -> dict[str, Any]:
        def answer(request: VenueRequest) -> dict[str, Any]:
            asked = {name: request.params.get(name) for name in kind.asked}
            matches = (request.api[0], request.path, asked) == (kind.section, kind.path, kind.asked)
            rows = [_plain(dict(row))] if matches else []  # ccxt reads no Decimal
            return {"code": "0", "data": {kind.listed_in: rows} if matches and kind.listed_in else rows}

        self._ccxt.answer = answer
        try:
            markets = self._ccxt.fetch_markets()
        finally:
            self._ccxt.answer = None
        if len(markets) != 1:
            raise ValueError("ccxt makes no market of it")
        market: dict[str, Any] = markets[0]
        if None in (market["precision"]["amount"], market["precision"]["price"]):
            raise ValueError("it has no step of size or price")
        return market

    def order_request(
        self,
        instrument: str,
        *,
        side: str,
        size: Decimal,
        client_order_id: str,
        price: Decimal | None = None,
        params: Mapping[str, Any] = {},
    ) -> VenueRequest:
        """The request that places an order: a limit order at `price`, a market order without one.

        ccxt builds the first of a form; the others, which differ by size, price and id, are filled in.

        Args:
            instrument: the venue's own id, as in `set_instruments`; spot that shares its id with a swap has
                SPOT_MARK after it.
            side: "buy" or "sell".
            size: as the venue counts it: OKX contracts, elsewhere base coin.
            client_order_id: 1 to 32 lowercase letters and digits, the form that all venues take.
            price: None for a market order.
            params: more of ccxt's or the venue's own parameters, such as `{"reduceOnly": True}`.

        Raises:
            ValueError: unknown instrument, or a size, price or id that the venue would not take as it is.
        """
        if instrument not in self._symbols:
            raise ValueError(f"instrument {instrument!r} is not among the {len(self._symbols)} set")
        if not re.fullmatch("[a-z0-9]{1,32}", client_order_id):
            raise ValueError(f"client order id {client_order_id!r} must be 1 to 32 of a-z and 0-9")
        symbol, names = self._symbols[instrument]
        kind = "market" if price is None else "limit"
        name = f"{instrument} {side} {kind} {params!r}"
        form = self._forms.get(name)
        if form is not None and form.fits(size, price):
            filled = {**form.request.params, names.size: _text(size), names.client_order_id: client_order_id}
            if price is not None:
                filled[names.price] = _text(price)
            return msgspec.structs.replace(form.request, params=filled)
        limit = None if price is None else f"{price:f}"
        merged = {**params, "clientOrderId": client_order_id}
        request = self.build(lambda ccxt: ccxt.create_order(symbol, kind, side, f"{size:f}", limit, merged))
        sent = {names.renamed.get(name, name): value for name, value in request.params.items()}
        _unchanged(instrument, "size", size, sent.get(names.size))
        if price is not None:
            _unchanged(instrument, "price", price, sent.get(names.price))
        if sent.get(names.client_order_id) != client_order_id:
            raise ValueError(f"{instrument}: the client order id did not enter the request: {sorted(sent)}")
        built = msgspec.structs.replace(request, params=sent)
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        step = self._ccxt.markets[symbol]["precision"]
        self._forms[name] = _Form(built, Decimal(str(step["amount"])), Decimal(str(step["price"])))
        return built

    def build(self, work: Callable[[Any], object]) -> VenueRequest:
        """The first request that `work`, given ccxt's exchange object, would send.

        Raises:
            ValueError: it would send none, or ccxt refuses.
        """
        try:
            work(self._ccxt)
        except _Built as built:
            return built.request
        except self._error as error:
            raise ValueError(str(error)) from error
        raise ValueError("no request was made")

    def parse(self, work: Callable[[Any], T]) -> T:
        """What `work` makes of a venue's answer with ccxt's exchange object; its numbers are Decimals."""
        return work(self._ccxt)

    def sign(
        self,
        credentials: Credentials,
        request: VenueRequest,
        *,
        headers: Mapping[str, str] = {},
        set_back_ns: int = 0,
    ) -> SignedRequest:
        """Sign a request as of now.

        Args:
            credentials: of the account that it is for.
            request: what to sign.
            headers: to send beside those of the signature, such as OKX's `expTime`.
            set_back_ns: signs with a time so much in the past, which makes a venue that limits the age of
                requests refuse this one the sooner.

        Raises:
            ValueError: the request is an OKX order without a client order id.
        """
        ccxt = self._ccxt
        ccxt.now_ms = (self._clock.now() - set_back_ns) // NS_PER_MS
        ccxt.apiKey = credentials.key.reveal()
        ccxt.secret = credentials.secret.reveal()
        ccxt.password = None if credentials.passphrase is None else credentials.passphrase.reveal()
        params = [dict(request.params)] if request.listed else dict(request.params)
        try:
            signed = ccxt.sign(request.path, list(request.api), request.method, params)
        finally:
            ccxt.apiKey = ccxt.secret = ccxt.password = ""
        body = signed["body"] or ""
        if '"tag":' in body:  # ccxt marks each OKX order that comes without a client order id
            raise ValueError(f"{request.path}: an order without a client order id would carry a broker's tag")
        own = {name: value for name, value in (signed["headers"] or {}).items() if name not in _MARKS}
        return SignedRequest(request.method, signed["url"], {**own, **headers}, body.encode())


def _plain(value: Any) -> Any:
    """The same without floats, which would be written as 1e-05."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float | Decimal):
        return f"{Decimal(repr(value) if isinstance(value, float) else value):f}"
    return value


def _text(number: Decimal) -> str:
    """As ccxt writes it: without zeros at its end."""
    return f"{number.normalize():f}"


def _unchanged(instrument: str, name: str, wanted: Decimal, sent: Any) -> None:
    if sent is None or Decimal(str(sent)) != wanted:
        raise ValueError(
            f"{instrument}: {name} {wanted} would be sent as {sent}: round it to the instrument's step"
        )


def _moved(urls: Any, hostname: str, base_url: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(entry, hostname, base_url) for name, entry in urls.items()}
    return base_url.rstrip("/") + urlsplit(urls.replace("{hostname}", hostname)).path


def _venue_class(venue: str) -> type:
    """One exchange class of ccxt, without running the package's `__init__`, which imports all hundred.

    An empty module stands in for the package while its submodule loads. Afterwards a plain
    `import ccxt` elsewhere still finds the real package, which shares the modules loaded here.
    """
    loaded = sys.modules.get("ccxt")
    if loaded is None:
        spec = importlib.util.find_spec("ccxt")
        assert spec is not None, "ccxt is not installed"
        sys.modules["ccxt"] = importlib.util.module_from_spec(spec)
    try:
        module = importlib.import_module(f"ccxt.{venue}")
    finally:
        if loaded is None:
            del sys.modules["ccxt"]
    kind: type = getattr(module, venue)
    return kind
