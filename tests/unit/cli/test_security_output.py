"""What data says must not steer the terminal of whoever looks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ctrain.cli
from ctrain.cli.output import FAILED, fail, print_table, say

PRINTING = {"print", "typer.echo", "typer.secho"}
HOSTILE = "carrier \x1b]0;owned\x07\x1b[2J is \x9b31munseen\r\x08"


@pytest.mark.parametrize("columns", ["", "200"])
def test_control_characters_of_data_do_not_reach_a_terminal(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the table that is fitted to a terminal, and with the one for other programs."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    print_table(["monitor", "reason"], [["quality", HOSTILE]], title=HOSTILE)
    with pytest.raises(BaseException, match=str(FAILED)):
        fail(HOSTILE)
    say(HOSTILE)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert [letter for letter in text if not letter.isprintable() and letter != "\n"] == []
        assert r"\x1b]0;owned\x07" in text


def test_no_command_prints_what_may_hold_them() -> None:
    """They say, and ``output`` alone prints."""
    printed = []
    for file in Path(ctrain.cli.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTING:
                printed.append(f"{file.name}:{node.lineno}")
    assert [one for one in printed if not one.startswith("output.py:")] == []
