"""A desk's file beside the Config table."""

from pathlib import Path
from typing import NamedTuple

from services.cli.config_table import author, with_config
from services.cli.desk_file import Difference, differences, load_desk
from services.cli.refusal import Refusal
from spider_common.domain.configuration import BadConfig, Desk, Name, desk_of, name_of
from spider_common.stores.audit import AuditEntry
from spider_common.stores.config import ConfigStore
from spider_common.stores.config_rows import Edit, check_edits


class Comparison(NamedTuple):
    """What a file would change, by the versions that it was compared with.

    Attributes:
        untouched: how many stored items the file does not name.
    """

    differences: list[Difference]
    edits: list[Edit]
    untouched: int


def compare(file: Path) -> Comparison:
    """What storing a file would change; all of it is checked as if it were stored.

    Raises:
        Refusal: the file, or what it makes of the table, is not right; or the table does not answer.
    """
    desk = load_desk(file)
    snapshot = with_config(ConfigStore.snapshot)
    found = differences({name: kept.item for name, kept in snapshot.items.items()}, desk)
    changed = {each.name for each in found}
    edits = [
        Edit(item, kept.version if (kept := snapshot.items.get(name_of(item))) else 0)
        for item in desk.items
        if name_of(item) in changed
    ]
    try:
        check_edits(snapshot, edits)
    except BadConfig as error:
        raise Refusal(f"{file}: {error}") from None
    named = {name_of(item) for item in desk.items}
    return Comparison(found, edits, len(snapshot.items.keys() - named))


def store(found: Comparison) -> None:
    """Stores it, unless somebody has changed one of the items since it was compared.

    Raises:
        Refusal: somebody has, or the table does not answer.
    """
    by = author()

    async def work(config: ConfigStore) -> None:
        await config.change(found.edits, by)

    with_config(work)


def stored() -> Desk:
    """All that is stored."""
    snapshot = with_config(ConfigStore.snapshot)
    return desk_of(kept.item for kept in snapshot.items.values())


def history(name: Name, limit: int) -> list[AuditEntry]:
    """The changes of an item, latest first."""

    async def work(config: ConfigStore) -> list[AuditEntry]:
        return await config.history(name, limit=limit)

    return with_config(work)
