"""The program: ``ctrain`` or ``python -m ctrain``."""

from __future__ import annotations

import sys

from ctrain.app.memory import stay_small, without_pandas


def main() -> None:
    """Run the command line; never returns normally."""
    match sys.argv[1:2]:
        case ["run"]:
            stay_small()
        case ["compare" | "profile" | "serve"]:
            without_pandas()
    from ctrain.cli import app

    app()


if __name__ == "__main__":
    main()
