"""The program: ``ctrain`` or ``python -m ctrain``."""

from __future__ import annotations


def main() -> None:
    """Run the command line; never returns normally."""
    from ctrain.cli import app

    app()


if __name__ == "__main__":
    main()
