"""`python -m stacks.documents NAME`: the generated part of docs/NAME.md, from the table and the stacks."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from stacks.diagram import HANDED, KEY, REFERENCE, Configuration, drawn, resources, text_of, ways_out
from stacks.environments import BACKUP_STARTS_WITHIN_MINUTES, ENVIRONMENTS, Environment

BEGIN: Final = "<!-- from here to the end: python -m stacks.documents {} -->"
INFRASTRUCTURE: Final = "infrastructure"
RECOVERY: Final = "disaster-recovery"


def inventory(configuration: Configuration) -> str:
    """What each construct of a stack consists of, and which key it is encrypted with."""
    counts: dict[str, Counter[str]] = {}
    keys: dict[str, set[str]] = {}
    places = {(each.kind, each.name): each.construct for each in resources(configuration)}
    for each in resources(configuration):
        counts.setdefault(each.construct, Counter())[each.kind.removeprefix("aws_")] += 1
        found = {
            places.get(reference, "")
            for reference in REFERENCE.findall(text_of(each.body))
            if reference[0] == KEY
        }
        handed = {
            name.removesuffix("_arn").replace("_", "-")
            for name, _ in HANDED.findall(text_of(each.body))
            if "_key_" in name
        }
        keys.setdefault(each.construct, set()).update((found | handed) - {each.construct})
    rows = [
        [
            f"`{construct}`",
            ", ".join(f"{kind} {number}" if number > 1 else kind for kind, number in sorted(found.items())),
            ", ".join(f"`{key}`" for key in sorted(keys[construct])),
        ]
        for construct, found in sorted(counts.items())
    ]
    return _table(("construct", "resources", "key"), rows)


def differences(environments: Iterable[Environment]) -> str:
    """The fields of the table that differ, an environment to a column; below them those that do not."""
    rows = list(environments)
    different, same = [], []
    for field in msgspec.structs.fields(Environment):
        values = [_shown(getattr(row, field.name)) for row in rows]
        if len(set(values)) > 1:
            different.append([f"`{field.name}`", *values])
        else:
            same.append(f"`{field.name}` {values[0]}")
    table = _table(
        ("field", *(row.name for row in rows)), [each for each in different if each[0] != "`name`"]
    )
    return f"{table}\n\nThe same everywhere: {'; '.join(same)}."


def recovery(environments: Iterable[Environment]) -> str:
    """What a disaster may cost in each environment, and by what."""
    rows = list(environments)
    asked = {
        "RTO: it trades again within": [_time(row.rto_minutes) for row in rows],
        "RPO: lost at most": [_time(row.rpo_minutes) for row in rows],
        "tables to any second of the last 35 days": [_shown(row.point_in_time) for row in rows],
        "a backup is made every": [_time(row.backup_minutes) for row in rows],
        "and begins at the latest after": [_time(BACKUP_STARTS_WITHIN_MINUTES) for _ in rows],
        "backups are kept": [f"{row.backup_days} d" for row in rows],
        "snapshots of the cache are kept": [f"{row.redis.snapshot_days} d" for row in rows],
        "what keeps state refuses to be deleted": [_shown(row.protected) for row in rows],
        "a key that is deleted can be kept for": [f"{row.key_window_days} d" for row in rows],
        "NAT gateways, each in a zone of its own": [_shown(row.nat_gateways) for row in rows],
        "replicas of the cache, in the other zone": [_shown(row.redis.replicas) for row in rows],
    }
    return _table(("", *(row.name for row in rows)), [[what, *values] for what, values in asked.items()])


def infrastructure_markdown(stacks: Mapping[str, Configuration]) -> str:
    """The generated part of docs/infrastructure.md, from all stacks by name."""
    foundation, services = stacks["foundation-prod"], stacks["services-prod"]
    parts = [
        BEGIN.format(INFRASTRUCTURE),
        "## What differs between environments",
        differences(ENVIRONMENTS.values()),
        "## What stands on what, in prod",
        "An arrow leads from what refers to what it refers to. Keys are in the tables below.",
        drawn(foundation, services),
        "## How traffic leaves, in prod",
        ways_out(foundation),
        "## How traffic leaves, in dev",
        ways_out(stacks["foundation-dev"]),
        "## The foundation of prod, piece by piece",
        inventory(foundation),
        "## The services of prod, piece by piece",
        inventory(services),
    ]
    return "\n\n".join(parts) + "\n"


def recovery_markdown() -> str:
    """The generated part of docs/disaster-recovery.md."""
    parts = [BEGIN.format(RECOVERY), "## By environment", recovery(ENVIRONMENTS.values())]
    return "\n\n".join(parts) + "\n"


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case msgspec.Struct():
            fields = msgspec.structs.asdict(value)
            return ", ".join(f"{name} {_shown(each)}" for name, each in fields.items())
        case tuple():
            return "; ".join(map(_shown, value)) or "none"
        case None | "":
            return "none"
        case _:
            return str(value)


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(columns)
    lines = (titles, ["---"] * len(titles), *rows)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _time(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def main(name: str) -> int:
    if name == RECOVERY:
        sys.stdout.write(recovery_markdown())
        return 0
    from stacks.synthesis import synthesize  # noqa: PLC0415 the rest is of use without the bindings

    with tempfile.TemporaryDirectory() as place:
        files = synthesize(Path(place), {})
        stacks = {stack: msgspec.json.decode(file.read_bytes()) for stack, file in files.items()}
    sys.stdout.write(infrastructure_markdown(stacks))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
