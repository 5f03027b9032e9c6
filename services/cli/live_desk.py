"""The desk that the environment names, as it is: its tables, its queue and its venues' lists."""

import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec
import trio
from botocore.exceptions import BotoCoreError, ClientError

from services.cli import flattening, show
from services.cli.config_table import author
from services.cli.flattening import Left, Outlook, Ports
from services.cli.reaching import read_settings
from services.cli.refusal import Refusal
from services.cli.standings import scope_of
from services.oms.desk import DeskOrders
from spider_common.domain.configuration import BadConfig
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.quantities import canonical
from spider_common.runtime import open_runtime
from spider_common.stores.audit import AuditEntry
from spider_common.stores.config_rows import Scope
from spider_common.stores.queue import QueueError
from spider_common.stores.table import TableError
from spider_common.venues.outcomes import VenueError

__all__ = ["flatten", "look", "print_left", "print_outlook", "scope_of"]

T = TypeVar("T")

_FAILURES: Final = (BadConfig, TableError, QueueError, VenueError, ClientError, BotoCoreError)
_encoder = msgspec.json.Encoder(decimal_format="string")


def look(scope: Scope) -> Outlook:
    """What flattening a scope comes to.

    Raises:
        Refusal: there is no such scope, it is halted, or the desk does not answer.
    """

    async def work(ports: Ports) -> Outlook:
        return await flattening.look(ports, scope, "flatten")

    return _with_desk(work)


def flatten(scope: Scope, timeout_s: float) -> list[Left]:
    """Does it, and gives what is left. Both are in the audit.

    Raises:
        Refusal: as `look`.
    """
    by = author()

    async def work(ports: Ports) -> list[Left]:
        begun = ports.clock.now()
        outlook = await flattening.close(ports, scope, by, f"flatten by {by.who}")
        await ports.audit.record(_entry("flatten.asked", before=outlook.stakes))
        left = await flattening.wait_until_flat(ports, outlook, since=begun, timeout_s=timeout_s)
        await ports.audit.record(_entry("flatten.done", after=left))
        return left

    def _entry(action: str, *, before: Sequence[object] = (), after: Sequence[object] = ()) -> AuditEntry:
        return AuditEntry(
            who=by.who,
            ts=by.ts,
            from_where=by.from_where,
            action=action,
            target=str(scope),
            before=_encoder.encode(before).decode(),
            after=_encoder.encode(after).decode(),
        )

    return _with_desk(work)


def print_outlook(outlook: Outlook, *, as_json: bool) -> None:
    """What is held, and what would be asked for."""
    if as_json:
        show.print_json(*({"stake": each} for each in outlook.stakes))
        show.print_json({"asked": len(outlook.asked)})
    elif outlook.asked:
        show.print_table(
            f"{outlook.scope}: {len(outlook.asked)} parts to be closed",
            ("product", "client", "account", "symbol", "side", "planned", "account holds"),
            (
                (
                    each.product,
                    each.client,
                    f"{each.place.account.venue}/{each.place.account.account}",
                    each.place.instrument.symbol,
                    each.place.side,
                    canonical(each.planned),
                    "not told" if each.held is None else canonical(each.held),
                )
                for each in outlook.stakes
            ),
        )


def print_left(left: Sequence[Left], *, as_json: bool) -> None:
    """What is not flat."""
    if as_json:
        show.print_json(*({"left": each} for each in left), {"flat": not left})
    elif left:
        show.print_table(
            "not flat", ("client", "what", "why"), ((each.client, each.what, each.why) for each in left)
        )


def _with_desk(work: Callable[[Ports], Awaitable[T]]) -> T:
    chosen = msgspec.structs.replace(read_settings(os.environ), log_level="warning", metrics_to="")

    async def main() -> T:
        failed: BaseException
        try:
            async with open_runtime("spider", chosen) as runtime:
                listed = [each for venue in runtime.venues.values() for each in await venue.instruments()]
                ports = Ports(
                    config=runtime.config,
                    audit=runtime.audit,
                    positions=runtime.positions,
                    trading=runtime.trading,
                    desk=DeskOrders(runtime.queue, runtime.clock, runtime.log),
                    instruments=InstrumentList(listed),
                    clock=runtime.clock,
                )
                return await work(ports)
        except* (Refusal, *_FAILURES) as group:
            failed = group
        while isinstance(failed, BaseExceptionGroup):
            failed = failed.exceptions[0]
        if isinstance(failed, Refusal):
            raise failed
        raise Refusal(
            f"{failed}; mend SPIDER_AWS_REGION, SPIDER_AWS_ENDPOINT, SPIDER_NAMES_PREFIX, the addresses of "
            "venues or the AWS credentials, and look with `spider states` and `spider flatten` what was done"
        ) from failed

    with contextlib.redirect_stdout(sys.stderr):  # libraries tell of their retries there
        return trio.run(main)
