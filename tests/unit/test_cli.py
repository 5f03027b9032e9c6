"""The `spider` command: its start-up, and simulations."""

import subprocess
import sys
import types

import pytest

from tests.unit.spider_command import ROOT, lines, spider


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What was asked of the simulation: a stand-in that fails from seed 9 on, since a real one takes long."""
    asked: list[tuple[int, int]] = []

    def simulate_seeds(first: int, count: int) -> int:
        asked.append((first, count))
        sys.stdout.write(f"seeds {first} to {first + count - 1}\n")
        return int(first + count > 9)

    stand_in = types.ModuleType("services.local.seeds")
    monkeypatch.setattr(stand_in, "simulate_seeds", simulate_seeds, raising=False)
    monkeypatch.setitem(sys.modules, "services.local.seeds", stand_in)
    return asked


@pytest.mark.parametrize(("first", "code"), [(1, 0), (7, 1)])
def test_seeds_are_simulated(simulated: list[tuple[int, int]], first: int, code: int) -> None:
    """First and count are passed on, and the simulation's code is the command's."""
    result = spider("simulate", "--seeds", 3, "--first", first)

    assert (simulated, result.exit_code) == ([(first, 3)], code)
    assert result.stdout == f"seeds {first} to {first + 2}\n"


def test_a_simulation_as_json(simulated: list[tuple[int, int]]) -> None:
    """One object on stdout; what the simulation tells people goes to stderr."""
    result = spider("simulate", "--seeds", 3, "--json")

    assert lines(result) == [{"first": 1, "seeds": 3, "passed": True}]
    assert result.stderr == "seeds 1 to 3\n"


def test_there_is_no_simulation_without_seeds(simulated: list[tuple[int, int]]) -> None:
    """A count below one is refused by its name."""
    result = spider("simulate", "--seeds", 0)

    assert (result.exit_code, simulated) == (2, [])
    assert "--seeds" in result.stderr


def test_start_up_imports_nothing_slow() -> None:
    """Help and completion need none of the libraries of the services."""
    slow = ("boto3", "botocore", "ccxt", "httpx", "redis", "rich", "structlog", "trio", "yaml")
    check = f"import sys, services.cli; print([name for name in {slow} if name in sys.modules])"
    path = f"{ROOT / 'libs'}:{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", check], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
