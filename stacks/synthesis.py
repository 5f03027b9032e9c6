"""Every stack of every environment, written as Terraform's JSON."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import cdktf
import msgspec

from stacks.environments import ENVIRONMENTS, environment
from stacks.foundation import Foundation

IMAGE_TAG: Final = "SPIDER_IMAGE_TAG"


def synthesize(into: Path, variables: Mapping[str, str]) -> dict[str, Path]:
    """Write all stacks below a directory; stack -> its file.

    Raises:
        BadEnvironment: a row of the table cannot be deployed.
        BadBackend: it is not clear where the state is kept.
        RuntimeError: a stack breaks a rule; the text names each resource and the fix.
    """
    app = cdktf.App(outdir=str(into))
    tag = variables.get(IMAGE_TAG)
    stacks = [
        Foundation(app, environment=environment(name, image_tag=tag), variables=variables).node.id
        for name in ENVIRONMENTS
    ]
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
