"""OKX orders pushes as recorded input: the documented sample and its variations, one JSON frame a file.

`spot_filled` is the sample of OKX's documentation ("Order channel"); the others change the fields that the
documentation says change.
"""

from importlib import resources


def names() -> tuple[str, ...]:
    """The recorded frames, sorted."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json")))


def read(name: str) -> bytes:
    """One frame as it came over the socket.

    Raises:
        FileNotFoundError: nothing is recorded under that name.
    """
    return resources.files(__name__).joinpath(f"{name}.json").read_bytes()
