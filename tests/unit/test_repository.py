"""Laws of the repository itself: locks, Makefile, what tests may reach, and what files may say."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import trio

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)
ALONE = "checkov"  # a tool with a virtual environment of its own
TOOLS = re.compile(r"(?:aiobotocore|cdktf|constructs|hatchling|hypothesis|jsii|moto|mypy|pytest|ruff|uv)\b")


def pins(lock: Path) -> dict[str, set[str]]:
    """Package -> versions (one for each range of Python where they differ)."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(lock.read_text()):
        found.setdefault(name, set()).add(version)
    return found


def test_each_dependency_group_has_a_lock():
    """Groups and locks are the same set: `make lock` writes them all and nothing is left over."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert {lock.stem for lock in LOCKS} == set(groups)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_by_hash_and_names_no_registry(lock):
    """Each requirement is one exact version with a hash, and no place to get it from."""
    text = lock.read_text()
    requirements = re.split(r"\n(?=[a-z0-9])", text[text.index("\n", text.rindex("#    make lock")) + 1 :])
    assert len(requirements) == len(PIN.findall(text)) > 0
    assert [r for r in requirements if "--hash=sha256:" not in r] == []
    assert re.findall(r"://|^ *-(?!-hash)\S*|index|find-links|\.(?:org|com|io)\b", text, re.MULTILINE) == []


@pytest.mark.parametrize("image", ["ingest", "oms"])
def test_a_service_carries_no_tools_and_no_infrastructure(image):
    """An image holds what its service runs on: no bindings of 480 MB, no test or build tools."""
    carried = set(pins(ROOT / f"locks/{image}.txt"))
    assert "trio" in carried
    assert [name for name in sorted(carried) if TOOLS.match(name)] == []


@pytest.mark.parametrize("lock", [each for each in LOCKS if each.stem != ALONE], ids=lambda lock: lock.stem)
def test_what_is_tested_is_what_ships(lock):
    """A package that is both in dev and in another lock has the same version in both."""
    dev = pins(ROOT / "locks/dev.txt")
    assert {n: v for n, v in pins(lock).items() if n in dev and v != dev[n]} == {}


def test_each_target_is_explained_and_help_is_the_default():
    """`make` alone lists every target with one line."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT)], capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"^  make ([a-z]+) +\S", shown, re.MULTILINE) == targets
    assert {"demo", "up", "test", "check", "bench", "simulate", "clean", "lock"} < set(targets)


def test_no_file_names_a_place_on_one_machine():
    """A path of somebody's machine means nothing to the next reader."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert len(files) > 50
    place = re.compile(rb"(?<![\w.>])/(?:work|root)(?=/|\b[^\w-])")
    assert [str(file.relative_to(ROOT)) for file in files if place.search(file.read_bytes())] == []


async def test_a_test_cannot_reach_another_machine():
    """Connecting, sending and looking a name up fail at once with an error that says why."""
    said = "tests talk to 127.0.0.1"
    with trio.socket.socket() as stream, pytest.raises(RuntimeError, match=said):
        await stream.connect(("192.0.2.1", 443))
    with pytest.raises(RuntimeError, match=said):
        await trio.socket.getaddrinfo("venue.example", 443)
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, pytest.raises(RuntimeError, match=said):
        datagrams.sendto(b"", ("192.0.2.1", 53))


async def test_a_test_can_reach_this_machine():
    """Loopback stays open, by number and by name."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with listeners[0], await trio.open_tcp_stream("localhost", port) as stream:
        await stream.send_all(b"x")


def test_no_test_has_an_aws_account():
    """The default chain of credentials finds nothing in the environment and no file."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    assert ours == {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@pytest.mark.parametrize(
    ("body", "allowed", "environment", "code"),
    [
        ("pytest.skip('no time')", "", {"CI": "true"}, pytest.ExitCode.TESTS_FAILED),
        ("pytest.skip('no time')", "", {}, pytest.ExitCode.OK),
        ("pytest.skip('no time')", "test_it.py::test_it  # asked for\n", {"CI": "true"}, pytest.ExitCode.OK),
        ("pytest.skip('no time')", "test_it.py::test_it\n", {"CI": "true"}, pytest.ExitCode.INTERNAL_ERROR),
        ("pytest.xfail('known')", "", {"CI": "true"}, pytest.ExitCode.OK),
        ("pass", "", {"CI": "true"}, pytest.ExitCode.OK),
    ],
)
def test_ci_fails_on_a_skip_without_a_reason(tmp_path, body, allowed, environment, code):
    """In CI a skipped test fails the run unless it is listed with a reason; elsewhere it may be skipped."""
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "allowed_skips.txt").write_text(allowed)
    (tmp_path / "test_it.py").write_text(f"import pytest\n\ndef test_it():\n    {body}\n")
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        cwd=tmp_path, env=inherited | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == code, run.stdout + run.stderr
