"""Writes the Terraform configuration of every stack. `make synth` and cdktf run this."""

import os
import sys
from pathlib import Path

from stacks.backends import BadBackend
from stacks.environments import BadEnvironment
from stacks.synthesis import as_table, resources_by_type, synthesize


def main() -> int:
    into = Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out"))
    try:
        files = synthesize(into, os.environ)
    except (BadBackend, BadEnvironment) as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    sys.stdout.write(as_table({name: resources_by_type(file) for name, file in files.items()}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
