from __future__ import annotations

import errno
import json
from collections.abc import Callable

import pytest
import typer

from ctrain.cli.output import guarded, print_json, print_table
from ctrain.errors import CtrainError, IllegalTransition, InputError, PolicyError, TransientError


def exit_code_after(error: Exception) -> int:
    """The code with which a command ends that is stopped by ``error``."""

    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        guarded(command)()
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            PolicyError("a.yaml:1: version: expected 1, got 2", "a.yaml:2: x"),
            2,
            "a.yaml:1: version: expected 1, got 2\na.yaml:2: x\n",
        ),
        (InputError("no such run"), 2, "no such run\n"),
        (CtrainError("it failed"), 1, "it failed\n"),
        (TransientError("the registry does not answer"), 1, "the registry does not answer\n"),
        (IllegalTransition("the run is promoting"), 1, "the run is promoting\n"),
    ],
)
def test_our_errors_become_a_message_and_an_exit_code(
    error: CtrainError, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_after(error) == code
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "full", "/tmp/rows"), "/tmp/rows: No space left on device; make room"),
        (OSError(errno.EDQUOT, "Error writing bytes to file"), "Disk quota exceeded; make room"),
    ],
)
def test_a_disk_that_is_full_is_said(
    error: OSError, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_after(error) == 1
    assert capsys.readouterr() == ("", f"{message}, then run the command again\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "", "/srv/home/state.db"), "Permission denied; run the command as a"),
        (OSError(errno.EROFS, "", "/srv/home/state.db"), "Read-only file system; name another place"),
        (OSError(errno.ENAMETOOLONG, "", "/srv/home/state.db"), "File name too long; name another place"),
    ],
)
def test_a_place_that_cannot_be_used_is_bad_input(
    error: OSError, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_after(error) == 2
    assert capsys.readouterr().err.startswith(f"/srv/home/state.db: {message}")


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(),
        BrokenPipeError(errno.EPIPE, "closed"),
        PermissionError(errno.EPERM, "Operation not permitted"),
    ],
)
def test_other_errors_are_faults_of_ours_and_keep_their_traceback(error: Exception) -> None:
    def command() -> None:
        raise error

    with pytest.raises(type(error)):
        guarded(command)()


def test_a_guarded_command_keeps_its_name_and_help() -> None:
    def retrain() -> int:
        """Train once more."""
        return 7

    wrapped: Callable[[], int] = guarded(retrain)
    assert (wrapped(), wrapped.__name__, wrapped.__doc__) == (7, "retrain", "Train once more.")


def test_json_has_only_what_json_has(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"p": float("nan"), "q": [float("inf"), 0.5], 3: (1, None)})
    assert json.loads(capsys.readouterr().out) == {"p": None, "q": [None, 0.5], "3": [1, None]}


def test_a_table_for_a_terminal_folds_texts_and_never_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    print_table(
        ("run", "why"), [("01K9ZX3M7Q", "the loss has risen since the second"), ("b", None)], title="churn"
    )
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) == 30
    for text in ("churn", "run", "why", "01K9ZX3M7Q", "second", "b"):
        assert text in printed


def test_a_table_that_no_terminal_of_this_width_can_show_is_told_below_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows = [("01K9ZX3M7Q", "PROBATION", "1", None), ("b", "FAILED", None, "no rows")]
    print_table(("run", "phase", "champion", "why"), rows, title="churn")
    assert capsys.readouterr().out == (
        "churn\nrun: 01K9ZX3M7Q\nphase: PROBATION\nchampion: 1\n\nrun: b\nphase: FAILED\nwhy: no rows\n\n"
    )


def test_a_table_for_another_program_has_a_line_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table(("column", "verdict"), [("age", "OK"), ("visits", None), ("x", "two\nlines")], title="churn")
    assert capsys.readouterr().out == "churn\ncolumn  verdict\nage     OK\nvisits\nx       two lines\n"
    print_table(("", ""), [("age", 3)])
    assert capsys.readouterr().out == "age  3\n"
