"""Trading states in the Config table."""

import typer

from services.cli import show
from services.cli.config_table import author, with_config
from spider_common.domain.control import TradingState
from spider_common.domain.identifiers import ClientId, ProductId
from spider_common.stores.config import ConfigStore
from spider_common.stores.config_rows import Scope, Watch


def scope_of(product: str, client: str) -> Scope:
    """What the options name; an empty text is none."""
    return Scope(product=ProductId(product) if product else None, client=ClientId(client) if client else None)


def set_state(state: TradingState, scope: Scope, reason: str) -> tuple[TradingState, Watch]:
    """What the scope's state was, and what is so now.

    Raises:
        Refusal: there is no such product or client, or the table does not answer.
    """
    by = author()

    async def work(config: ConfigStore) -> tuple[TradingState, Watch]:
        was = await config.set_state(state, scope, by, reason=reason)
        return was, await config.watch()

    return with_config(work)


def stand() -> Watch:
    """What is so now."""
    return with_config(ConfigStore.watch)


def print_states(watch: Watch, *, as_json: bool) -> None:
    """All that is not active."""
    found = sorted(watch.standings.items(), key=lambda one: one[0].parts)
    if as_json:
        for scope, each in found:
            show.print_json(
                {
                    "scope": str(scope),
                    "state": each.state,
                    "who": each.who,
                    "ts": each.ts,
                    "reason": each.reason,
                }
            )
    elif found:
        show.print_table(
            "not active",
            ("scope", "state", "by", "since", "reason"),
            ((str(scope), each.state, each.who, show.moment(each.ts), each.reason) for scope, each in found),
        )
    else:
        typer.echo("everything is active")
