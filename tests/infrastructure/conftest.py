"""The stacks of every environment, synthesized once for all tests here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

Body = dict[str, Any]
Configuration = dict[str, Any]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Stack -> its Terraform configuration, written by what `make synth` runs."""
    pytest.importorskip("cdktf", reason="`make synth` installs the bindings")
    from stacks.synthesis import synthesize

    return synthesize(tmp_path_factory.mktemp("synth"), {})


@pytest.fixture(scope="session")
def configurations(files: Mapping[str, Path]) -> Mapping[str, Configuration]:
    """Environment -> its foundation stack."""
    return _read(files, "foundation-")


@pytest.fixture(scope="session")
def services_configurations(files: Mapping[str, Path]) -> Mapping[str, Configuration]:
    """Environment -> its services stack."""
    return _read(files, "services-")


def _read(files: Mapping[str, Path], kind: str) -> Mapping[str, Configuration]:
    return {
        stack.removeprefix(kind): msgspec.json.decode(file.read_bytes())
        for stack, file in files.items()
        if stack.startswith(kind)
    }


@pytest.fixture(params=["dev", "staging", "prod"])
def name(request: pytest.FixtureRequest) -> str:
    """Each environment in turn."""
    return str(request.param)


@pytest.fixture
def configuration(name: str, configurations: Mapping[str, Configuration]) -> Configuration:
    """The foundation stack of the environment in turn."""
    return configurations[name]


@pytest.fixture
def services(name: str, services_configurations: Mapping[str, Configuration]) -> Configuration:
    """The services stack of the environment in turn."""
    return services_configurations[name]
