"""What the commands read from files: strict, each error with its file, its field and the fix."""

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from services.cli.refusal import Refusal
from services.simulator.instruments import BINGX_INSTRUMENTS, BITGET_INSTRUMENTS, OKX_INSTRUMENTS
from services.simulator.instruments import Instrument as Listed
from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import OrderFact
from spider_common.domain.products import Product
from spider_common.venues.bingx import listings as bingx
from spider_common.venues.bingx import spot as bingx_spot
from spider_common.venues.bitget import parse as bitget
from spider_common.venues.bitget import spot as bitget_spot
from spider_common.venues.okx import parse as okx
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import Row

T = TypeVar("T")

_LISTED: Final = {
    Venue.OKX: OKX_INSTRUMENTS,
    Venue.BITGET: BITGET_INSTRUMENTS,
    Venue.BINGX: BINGX_INSTRUMENTS,
}


def _bitget(row: Row, *, place: str) -> Instrument | None:
    """A row of Bitget's contracts, which alone have a type, or of its spot pairs."""
    read_row = bitget.instrument if "symbolType" in row else bitget_spot.instrument
    return read_row(row, place=place)


_PARSERS: Final[dict[str | int, Callable[..., Instrument | None]]] = {
    "0": okx.instrument,
    "00000": _bitget,
    0: bingx.instrument,
}
"""By the code of success, in which the venues' answers differ."""


def load(path: Path, kind: type[T], *, told_in: str = "docs/cli.md") -> T:
    """The value in a file: YAML if it is called so, else JSON; ``-`` is JSON on stdin.

    Args:
        told_in: the document that an error refers to.

    Raises:
        Refusal: the file cannot be read, or a field in it is unknown, missing or out of range.
    """
    return _convert(path, _read(path), kind, told_in=told_in)


def load_events(path: Path, product: Product, of: Path) -> list[LeaderEvent]:
    """The events of a product that a file holds: a `LeaderEvent`, or a fact, once for each shard.

    A fact stands alone or as ``spider decode`` prints it. `of`: where the product was read, for errors.

    Raises:
        Refusal: as `load`; or the event is of another product, leader or shard.
    """
    content = _read(path)
    fields = _convert(path, content, dict[str, Any])
    if "fact" in fields:
        events = [_convert(path, content, LeaderEvent)]
    else:
        fact = _convert(path, content, _Decoded).order if "order" in fields else None
        fact = fact or _convert(path, content, OrderFact)
        events = [
            LeaderEvent(product=product.product, shard=shard, shards=product.shards, fact=fact)
            for shard in range(product.shards)
        ]
    event = events[0]
    if event.product != product.product:
        raise Refusal(
            f"{path}: product: {event.product!r} is not {product.product!r}, as in {of}; name one in both"
        )
    if not 0 <= event.shard < event.shards:
        raise Refusal(f"{path}: shard: {event.shard} is not in 0 to {event.shards - 1}, one below shards")
    leader, told_of = product.leader, event.fact
    if (told_of.venue, told_of.account) != (leader.venue, leader.account):
        raise Refusal(
            f"{path}: fact.account: {told_of.account!r} at {told_of.venue} is not the leader in {of}, "
            f"{leader.account!r} at {leader.venue}; name one in both"
        )
    return events


def load_instruments(paths: list[Path]) -> InstrumentList:
    """The instruments in answers of the venues' listings; without any, the simulators'.

    Raises:
        Refusal: as `load`; or an answer tells of an error, or a row is not as documented.
    """
    if not paths:
        return InstrumentList(_known(venue, each) for venue, listed in _LISTED.items() for each in listed)
    found: list[Instrument] = []
    for path in paths:
        answer = load(path, _Answer)
        if answer.code not in _PARSERS:
            raise Refusal(f"{path}: code: {answer.code} {answer.msg} is an error of the venue; ask it again")
        read_row, listed = _PARSERS[answer.code], answer.data
        if isinstance(listed, _Symbols):
            read_row, listed = bingx_spot.instrument, listed.symbols
        try:
            read = [read_row(row, place=f"data[{n}]") for n, row in enumerate(listed or ())]
        except UnreadableFrame as error:
            raise Refusal(f"{path}: {error}; ask the venue for its list again") from None
        found += [each for each in read if each is not None]
    return InstrumentList(found)


class _Decoded(msgspec.Struct, forbid_unknown_fields=True):
    event_id: str
    order: OrderFact


class _Symbols(msgspec.Struct):
    """How BingX wraps its spot pairs."""

    symbols: list[dict[str, Any]]


class _Answer(msgspec.Struct):
    code: str | int
    data: list[dict[str, Any]] | _Symbols | None = None
    msg: str = ""


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == Path("-") else path.read_bytes()
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}; name a file that can be read") from None


def _convert(path: Path, content: bytes, kind: type[T], *, told_in: str = "docs/cli.md") -> T:
    try:
        if path.suffix in {".yaml", ".yml"}:
            return msgspec.convert(_yaml(path, content), kind)
        return msgspec.json.Decoder(kind, float_hook=Decimal).decode(content)
    # ValidationError is a DecodeError; the others are text that is no UTF-8, nesting without an end and
    # an exponent beyond Decimal's
    except (msgspec.DecodeError, UnicodeError, RecursionError, ArithmeticError) as error:
        raise Refusal(f"{path}: {error}; {told_in} shows what stands there") from None


def _yaml(path: Path, content: bytes) -> object:
    import yaml  # noqa: PLC0415 only a product in YAML needs it

    class ExactLoader(yaml.SafeLoader):
        """Leaves as text what would be read as something else: fractions (a float would round a ratio),
        dates, and words for yes and no other than true and false (``off`` is a setting)."""

        yaml_implicit_resolvers = {  # noqa: RUF012 replaces the class attribute of the library's loader
            first: [
                (tag, form)
                for tag, form in resolvers
                if not tag.endswith((":float", ":timestamp"))
                and (first in "tTfF" or not tag.endswith(":bool"))
            ]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        return yaml.load(content, ExactLoader)  # noqa: S506 a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise Refusal(f"{path}: {line}not YAML: {error.problem}; mend it there") from None
    except (yaml.YAMLError, ValueError) as error:  # a number that looks like one only is a ValueError
        raise Refusal(f"{path}: not YAML: {error}; mend it") from None


def _known(venue: Venue, listed: Listed) -> Instrument:
    """A simulated instrument as our client reads it from its venue's list."""
    return Instrument(
        venue=venue,
        symbol=listed.symbol,
        kind=InstrumentKind(listed.kind),
        base=listed.base,
        quote=listed.quote,
        settle=listed.quote,
        contract_size=listed.unit,
        lot=listed.lot,
        minimum=listed.minimum,
        tick=listed.tick,
        minimum_notional=listed.minimum_notional,
    )
