"""``ctrain token`` and ``ctrain serve`` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ctrain.app.web_child import Console, open_server
from ctrain.app.wiring import open_quiet_telemetry
from ctrain.cli import app
from ctrain.clocks import RealTimer
from ctrain.domain.access import Role
from ctrain.errors import InputError
from ctrain.store import open_store
from ctrain.web.tokens import matches


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "new"


def typed(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["token", *words, "--home", str(home)], env={"CTRAIN_ACTOR": "ann"})


def as_json(home: Path, *words: str) -> Any:
    done = typed(home, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_a_token_is_told_once_and_kept_as_a_digest(home: Path) -> None:
    words = typed(home, "create", "nightly", "--role", "operator").output.strip()
    with open_store(f"sqlite:///{home / 'state.db'}").read() as tx:
        [token] = tx.tokens()
    assert matches(words, token)
    assert (token.name, token.role, token.created_by) == ("nightly", Role.OPERATOR, "ann")
    shown = typed(home, "list").output + json.dumps(as_json(home, "list"))
    assert "nightly" in shown
    assert words not in shown
    assert token.digest not in shown


def test_a_token_with_an_end_and_one_that_was_revoked_say_so(home: Path) -> None:
    made = as_json(home, "create", "short", "--role", "viewer", "--expires", "90d")
    assert made["token"].startswith("ctrain_")
    assert made["expires_at"] > made["created_at"]
    assert as_json(home, "revoke", "short") == {"name": "short", "revoked": True}
    listed = {one["name"]: one for one in as_json(home, "list")["tokens"]}
    assert listed["short"]["revoked_at"] is not None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("create", "a b", "--role", "viewer"), 2, "token name 'a b'"),
        (("create", "ok", "--role", "root"), 2, "root"),
        (("create", "ok", "--role", "viewer", "--expires", "soon"), 2, "--expires soon: expected a duration"),
        (("create", "again", "--role", "viewer"), 1, "there has been a token again already"),
        (("revoke", "nobody"), 2, "there is no token nobody here; known:"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    home: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    if words[1] == "again":
        typed(home, *words)
    done = typed(home, *words)
    assert (done.exit_code, message in done.output) == (code, True), done.output


def test_a_server_without_a_home_says_what_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", "--home", str(tmp_path / "none"), "--listen", "127.0.0.1:0"])
    assert (done.exit_code, "there is no database of ctrain" in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serve", "--tls-cert", "x.pem"), "name both or neither"),
        (("run", "x.yaml", "--no-console", "--tls-cert", "x.pem"), "name both or neither"),
    ],
)
def test_half_a_certificate_is_refused(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(app, [*words, "--home", str(tmp_path)])
    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_a_daemon_whose_child_could_not_start_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTRAIN_AUTH_HEADER", "X-User")
    telemetry = open_quiet_telemetry({})
    nothing: Any = None
    with pytest.raises(InputError, match="CTRAIN_TRUSTED_PROXIES"):
        open_server("127.0.0.1:0", Console(tmp_path), telemetry, nothing, telemetry, RealTimer())
