"""What data says must not steer the terminal of whoever looks."""

from __future__ import annotations

import pytest

from ctrain.cli.output import FAILED, fail, print_table

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
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert [letter for letter in text if not letter.isprintable() and letter != "\n"] == []
        assert r"\x1b]0;owned\x07" in text
