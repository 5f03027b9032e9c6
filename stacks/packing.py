"""A package of ours as a Lambda function takes it: the same bytes wherever and whenever it is packed."""

import base64
import hashlib
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parent.parent
_THEN: Final = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can tell
_READABLE: Final = 0o644 << 16


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A packed package.

    Attributes:
        file: the zip.
        sha256: of the zip, base64, as Lambda says it of what it runs.
    """

    file: Path
    sha256: str


def pack(package: str, into: Path) -> Package:
    """The Python files of a package such as ``services/rotation``, under their path in the repository.

    Stored, not compressed: what a compressor makes of the same bytes differs between its versions.
    """
    file = into / f"{package.replace('/', '-')}.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for source in sorted((ROOT / package).rglob("*.py")):
            entry = zipfile.ZipInfo(source.relative_to(ROOT).as_posix(), _THEN)
            entry.external_attr = _READABLE
            entry.create_system = 3  # as on Unix, wherever it is packed
            packed.writestr(entry, source.read_bytes())
    digest = hashlib.sha256(file.read_bytes()).digest()
    return Package(file=file, sha256=base64.b64encode(digest).decode())


class Packages:
    """Packed packages, kept until the process ends: a synthesis copies them at its end."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="packages-")
        self._packed: dict[str, Package] = {}

    def get(self, package: str) -> Package:
        if package not in self._packed:
            self._packed[package] = pack(package, Path(self._folder.name))
        return self._packed[package]


PACKAGES: Final = Packages()
