"""The simulated venues behind their listeners, in one task tree."""

import random
from collections.abc import Mapping
from typing import Final

import msgspec
import trio

from services.simulator.bingx.rest import PREFIX as BINGX_PREFIX
from services.simulator.bingx.rest import BingxRest
from services.simulator.bingx.socket import PATH as BINGX_PATH
from services.simulator.bingx.socket import BingxSocket
from services.simulator.bingx.streams import ListenKeys
from services.simulator.bitget import rest as bitget_rest
from services.simulator.bitget import socket as bitget_socket
from services.simulator.bitget.call import Closing
from services.simulator.control import Control
from services.simulator.http import serve_http
from services.simulator.instruments import (
    BINGX_INSTRUMENTS,
    BITGET_INSTRUMENTS,
    OKX_INSTRUMENTS,
    Instrument,
)
from services.simulator.okx import rest, socket
from services.simulator.request import Handle, Request, Response
from services.simulator.venue import Venue
from services.simulator.websocket import serve_websocket
from spider_common.clock import Clock
from spider_common.network import Network

_NOT_FOUND: Final = Response(b'{"error":"no simulated venue answers this path"}', 404)


class SimulatorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to listen (port 0: any free one) and what is listed.

    `bitget_closing`: what ``side`` of a closing order in hedge mode means, where Bitget's documents disagree.
    """

    host: str = "127.0.0.1"
    rest_port: int = 0
    socket_port: int = 0
    control_port: int = 0
    okx_instruments: tuple[Instrument, ...] = OKX_INSTRUMENTS
    bitget_instruments: tuple[Instrument, ...] = BITGET_INSTRUMENTS
    bitget_closing: Closing = "position"
    bingx_instruments: tuple[Instrument, ...] = BINGX_INSTRUMENTS


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where the simulator listens: REST and sockets of all venues (told apart by path), and control."""

    host: str
    rest_port: int
    socket_port: int
    control_port: int


class Simulator(msgspec.Struct, frozen=True):
    """A running simulator: its addresses and, for those in the same process, its venues."""

    addresses: Addresses
    okx: Venue
    bitget: Venue
    bingx: Venue

    @property
    def venues(self) -> Mapping[str, Venue]:
        """By name."""
        return {venue.name: venue for venue in (self.okx, self.bitget, self.bingx)}


async def serve_simulator(
    config: SimulatorConfig,
    *,
    network: Network,
    clock: Clock,
    rng: random.Random,
    task_status: trio.TaskStatus[Simulator] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled; starts with the `Simulator`, once every listener accepts."""
    okx = Venue("okx", config.okx_instruments, clock)
    bitget = Venue("bitget", config.bitget_instruments, clock)
    bingx, keys = Venue("bingx", config.bingx_instruments, clock), ListenKeys(rng)
    control = Control({venue.name: venue for venue in (okx, bitget, bingx)})
    handle = _by_path(
        {
            rest.PREFIX: rest.OkxRest(okx).handle,
            bitget_rest.PREFIX: bitget_rest.BitgetRest(bitget, config.bitget_closing).handle,
            BINGX_PREFIX: BingxRest(bingx, keys).handle,
        }
    )
    routes = {
        **{path: socket.OkxSocket(okx, rng, path).converse for path in socket.CHANNELS},
        bitget_socket.PATH: bitget_socket.BitgetSocket(bitget, config.bitget_closing).converse,
        BINGX_PATH: BingxSocket(bingx, keys).converse,
    }
    rest_listener, rest_port = await network.listen(config.host, config.rest_port)
    socket_listener, socket_port = await network.listen(config.host, config.socket_port)
    control_listener, control_port = await network.listen(config.host, config.control_port)
    addresses = Addresses(
        host=config.host, rest_port=rest_port, socket_port=socket_port, control_port=control_port
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_http, rest_listener, handle, name="simulator.rest")
        await nursery.start(serve_websocket, socket_listener, routes, name="simulator.sockets")
        await nursery.start(serve_http, control_listener, control.handle, name="simulator.control")
        task_status.started(Simulator(addresses, okx, bitget, bingx))


def _by_path(prefixes: dict[str, Handle]) -> Handle:
    async def handle(request: Request) -> Response | None:
        for prefix, answer in prefixes.items():
            if request.path.startswith(prefix):
                return await answer(request)
        return _NOT_FOUND

    return handle
