"""What each environment consists of, kept so that a change shows what it adds and takes away."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

SNAPSHOTS = Path(__file__).with_name("snapshots")


def addresses(configuration: Mapping[str, Any]) -> str:
    """Every resource by its type and its place in the tree of constructs, one a line."""
    lines = sorted(
        f"{kind} {body['//']['metadata']['path'].partition('/')[2]}"
        for kind, bodies in configuration.get("resource", {}).items()
        for body in bodies.values()
    )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("stack", ["foundation", "services"])
def test_an_environment_is_what_its_snapshot_says(files: Mapping[str, Path], stack: str, name: str) -> None:
    """Nothing comes or goes unseen: SNAPSHOTS=write writes them anew, and the commit shows the change."""
    snapshot = SNAPSHOTS / f"{stack}-{name}.txt"
    found = addresses(msgspec.json.decode(files[f"{stack}-{name}"].read_bytes()))
    if os.environ.get("SNAPSHOTS") == "write":
        SNAPSHOTS.mkdir(exist_ok=True)
        snapshot.write_text(found)
    assert found == snapshot.read_text()
