"""What an image would hold, made from its Dockerfile's own lines, without Docker.

It reads the few instructions that our Dockerfiles use and refuses others, so that no line goes unread.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
UV: Final = Path(sys.executable).with_name("uv")
_INSTALL: Final = re.compile(
    r"python -m venv --without-pip (?P<place>/\S+) && python -m pip --python (?P=place)/bin/python install "
    r"--no-cache-dir --only-binary :all: --require-hashes --requirement (?P<lock>/\S+)"
)


class Unreachable(RuntimeError):
    """The package index does not answer."""


class Instruction(NamedTuple):
    """One instruction: its word and what follows, continued lines joined."""

    word: str
    text: str


class Stage(NamedTuple):
    """What stands after one FROM."""

    base: str
    name: str
    instructions: Sequence[Instruction]


class Dockerfile(NamedTuple):
    """The arguments before the first stage, and the stages."""

    arguments: Mapping[str, str]
    stages: Sequence[Stage]

    @property
    def final(self) -> Stage:
        return self.stages[-1]

    def says(self, word: str) -> list[str]:
        """What the instructions of this word say in the final stage."""
        return [each.text for each in self.final.instructions if each.word == word]

    @property
    def variables(self) -> dict[str, str]:
        """The final stage's ENV."""
        return dict(pair.split("=", 1) for text in self.says("ENV") for pair in text.split())


def read(path: Path) -> Dockerfile:
    """A Dockerfile as it is written."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for word, text in (line.split(" ", 1) for line in joined):
        if word == "ARG" and not stages:
            name, _, value = text.partition("=")
            arguments[name] = value
        elif word == "FROM":
            base, _, name = text.partition(" AS ")
            stages.append(Stage(arguments[base.strip("${}")], name, []))
        else:
            stages[-1] = stages[-1]._replace(instructions=[*stages[-1].instructions, Instruction(word, text)])
    return Dockerfile(arguments, stages)


def sent(patterns: Sequence[str]) -> Iterator[PurePosixPath]:
    """The files of the repository that .dockerignore lets in: the last line that fits a file decides."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        left_out = False
        for pattern in patterns:
            bare = pattern.removeprefix("!").removeprefix("**/")
            parts = [name, *map(str, PurePosixPath(name).parents)]
            if any(fnmatch.fnmatchcase(part, bare) for part in parts):
                left_out = not pattern.startswith("!")
        if not left_out and (ROOT / name).exists():
            yield PurePosixPath(name)


def make(dockerfile: Dockerfile, within: Path, *, served: Path | None = None) -> Path:
    """Make the final stage's files below a directory, and return it.

    Args:
        served: stands in for what the stage `web` builds with node.

    Raises:
        Unreachable: the packages are neither in uv's cache nor to be had.
        ValueError: an instruction that this does not know.
    """
    patterns = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    context = within / "context"
    for name in sent(patterns):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, context / name)
    roots: dict[str, Path] = {}
    for number, stage in enumerate(dockerfile.stages):
        root = within / (stage.name or f"stage-{number}")
        roots[stage.name] = root
        if stage.name == "web":
            assert served is not None
            shutil.copytree(served, root / "web/out")
            continue
        where = PurePosixPath("/")
        for word, text in stage.instructions:
            if word == "WORKDIR":
                where = where / text
            elif word == "COPY":
                _copy(text, root, where, context=context, roots=roots)
            elif word == "RUN":
                _run(text, root, where)
            elif word not in ("ENV", "USER", "ENTRYPOINT"):
                raise ValueError(f"{word} {text}: teach this test what it does")
    return root


def start(dockerfile: Dockerfile, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point in what was made, with the image's own variables and no others."""
    placed = {
        name: ":".join(f"{root}{part}" if part.startswith("/") else part for part in value.split(":"))
        for name, value in dockerfile.variables.items()
    }
    path = placed["PATH"].replace("$PATH", os.defpath)
    command: list[str] = json.loads(dockerfile.says("ENTRYPOINT")[0])
    program = shutil.which(command[0], path=path)
    assert program is not None
    (place,) = dockerfile.says("WORKDIR")
    return subprocess.run(
        [program, *command[1:], *arguments],
        cwd=f"{root}{place}", env={**placed, "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _copy(text: str, root: Path, where: PurePosixPath, *, context: Path, roots: Mapping[str, Path]) -> None:
    *sources, target = text.split()
    origin = context
    if sources[0].startswith("--from="):
        origin = roots[sources.pop(0).removeprefix("--from=")]
    for source in sources:
        found = origin / source.lstrip("/")
        assert found.exists(), f"COPY {text}: .dockerignore keeps {source} out, or it does not exist"
        place = root / str(where / target).lstrip("/")
        if found.is_dir():
            shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
        else:
            place = place / found.name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, place)


def _run(text: str, root: Path, where: PurePosixPath) -> None:
    if install := _INSTALL.fullmatch(text):
        _install(root / install["place"].lstrip("/"), root / install["lock"].lstrip("/"))
    elif text.startswith("rm -r "):
        shutil.rmtree(root / str(where / text.removeprefix("rm -r ")).lstrip("/"))
    elif text.startswith("/venv/bin/python -m compileall "):
        options = text.split()[3:-1]
        place = root / str(where).lstrip("/")
        subprocess.run([root / "venv/bin/python", "-m", "compileall", *options, place], check=True)
    elif not text.startswith("python -m pip uninstall "):  # of the base's own, which is not here
        raise ValueError(f"RUN {text}: teach this test what it does")


def _install(place: Path, lock: Path) -> None:
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, place], check=True)
    run = subprocess.run(
        [UV, "pip", "install", "--quiet", "--python", place / "bin/python", "--only-binary", ":all:",
         "--require-hashes", "--requirement", lock],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Failed to fetch" in run.stderr or "error sending request" in run.stderr:
        raise Unreachable(run.stderr)
    assert run.returncode == 0, run.stderr
