"""The program: ``ctrain`` or ``python -m ctrain``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; never returns normally."""
    if sys.argv[1:2] == ["run"]:
        from ctrain.app.memory import stay_small

        stay_small()
    from ctrain.cli import app

    app()


if __name__ == "__main__":
    main()
