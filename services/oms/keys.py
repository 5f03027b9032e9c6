"""The followers' keys, kept at hand so that no order waits for one."""

from typing import Final

import trio

from services.oms.reference import Reference
from spider_common.domain.identifiers import AccountId
from spider_common.stores.secrets import Secrets

_EVERY_S: Final = 5
"""A new follower's key is there soon after its product. Most times nothing has to be read."""


async def serve_keys(
    reference: Reference,
    secrets: Secrets,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs until cancelled. Started when the keys were read once."""
    await secrets.read_ahead(_followers(reference))
    task_status.started()
    while True:
        await trio.sleep(_EVERY_S)
        await secrets.read_ahead(_followers(reference))


def _followers(reference: Reference) -> list[AccountId]:
    return [each.account.account for product in reference.products for each in product.subscriptions]
