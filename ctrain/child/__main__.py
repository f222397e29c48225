"""Entry of child processes: ``PYTHON /path/to/ctrain/child ROLE ARGUMENT...``.

The folder that is run makes ``ctrain`` importable by itself, without the site-packages it lies in:
the packages of the daemon must not reach an interpreter that has its own.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

ROLES = ("train", "fit", "score", "registry", "prepare", "adopt", "guard", "trials")


def _make_importable() -> None:
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]
    if "ctrain" in sys.modules:
        return
    root = here.parent
    spec = importlib.util.spec_from_file_location(
        "ctrain", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["ctrain"] = package
    try:
        spec.loader.exec_module(package)
    except ImportError:
        # An older Python than ctrain's own lacks what its types use; the children need none of them.
        sys.modules["ctrain"] = package


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in ROLES:
        print(f"usage: python {Path(sys.argv[0]).name} {'|'.join(ROLES)} ...", file=sys.stderr)
        return 2
    if not __package__:
        _make_importable()
    importlib.import_module("ctrain.child.limits").limit_always()
    role = importlib.import_module(f"ctrain.child.{sys.argv[1]}")
    code = role.main(sys.argv[2:])
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
