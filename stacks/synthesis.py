"""Every stack of every environment, written as Terraform's JSON."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import cdktf
import msgspec

from stacks.environments import ENVIRONMENTS, BadEnvironment, environment
from stacks.foundation import Foundation
from stacks.services import Services

IMAGE_TAG: Final = "SPIDER_IMAGE_TAG"
CHOSEN: Final = "SPIDER_ENVIRONMENTS"


def synthesize(into: Path, variables: Mapping[str, str]) -> dict[str, Path]:
    """Write all stacks below a directory; stack -> its file.

    `SPIDER_ENVIRONMENTS` names the environments to write, with commas between; all without it. A release in
    `SPIDER_IMAGE_TAG` is deployed in those that are named.

    Raises:
        BadEnvironment: a row of the table cannot be deployed, or it is not clear where the release goes.
        BadBackend: it is not clear where the state is kept.
        RuntimeError: a stack breaks a rule; the text names each resource and the fix.
    """
    app = cdktf.App(outdir=str(into))
    tag, chosen = variables.get(IMAGE_TAG), variables.get(CHOSEN)
    if tag is not None and chosen is None:
        raise BadEnvironment(f"{IMAGE_TAG} is set: name in {CHOSEN} where it is to be deployed, as in dev")
    names = ENVIRONMENTS if chosen is None else [each.strip() for each in chosen.split(",")]
    stacks: list[str] = []
    for row in [environment(name, image_tag=tag) for name in dict.fromkeys(names)]:
        foundation = Foundation(app, environment=row, variables=variables)
        services = Services(app, environment=row, variables=variables)
        services.add_dependency(foundation)
        stacks += [foundation.node.id, services.node.id]
    app.synth()
    return {stack: into / "stacks" / stack / "cdk.tf.json" for stack in stacks}


def resources_by_type(file: Path) -> Counter[str]:
    """How many resources of each type a stack has."""
    resources = msgspec.json.decode(file.read_bytes()).get("resource", {})
    return Counter({kind: len(each) for kind, each in resources.items()})


def as_table(counts: Mapping[str, Counter[str]]) -> str:
    """Resources by type, a column for each stack, the sums in the last line."""
    kinds = sorted(set().union(*counts.values()))
    wide = max(map(len, [*kinds, "resources"]))
    lines = [" " * wide + "".join(f"  {stack}" for stack in counts)]
    rows = {kind: {stack: each[kind] for stack, each in counts.items()} for kind in kinds}
    rows["resources"] = {stack: each.total() for stack, each in counts.items()}
    for kind, row in rows.items():
        cells = "".join(f"  {number or '-':>{len(stack)}}" for stack, number in row.items())
        lines.append(f"{kind:{wide}}{cells}")
    return "\n".join(lines)
