"""Secrets are looked for, with canaries, wherever ctrain writes or answers anything."""

from __future__ import annotations

import copy
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from ctrain.child.train import without_declared
from ctrain.cli import app
from ctrain.domain import Json, Phase, PolicyName
from ctrain.errors import PolicyError, TransientError
from ctrain.policy.files import parse_policy
from ctrain.queries import FleetQueries
from ctrain.queries.audit_export import Wanted, export_lines
from ctrain.telemetry import PrometheusTelemetry, open_log
from ctrain.telemetry.logs import Redactor
from tests.support.stories import POOR, ask_to_train
from tests.support.world import POLICY, START, World

CANARY = "canary-hunter2"
FILES = Path(__file__).parents[1] / "unit" / "policy_files"
ENVIRON = {
    "METRICS_TOKEN": f"{CANARY}-token",
    "METRICS_ADDRESS": f"http://ann:{CANARY}-metrics@localhost:9090",
    "FEATURES_FROM": f"{CANARY}-declared",
    "CTRAIN_NOTIFY_URL": f"https://chat.example/{CANARY}-hook",
    "MLFLOW_TRACKING_URI": f"https://ann:{CANARY}-mlflow@mlflow.example",
}
WITH_SECRETS = (
    POLICY.replace(
        "  fresh:",
        '  load: {type: prometheus, url: "${METRICS_ADDRESS}", token: "${METRICS_TOKEN}", query: q, above: 1}'
        "\n"
        "  fresh:",
    )
    .replace("  retries: 1\n", "  retries: 1\n  env: [FEATURES_FROM]\n")
    .replace("triggers:\n", "triggers:\n  loaded: {any: [load]}\n")
)


CHECKED_FOR_THEIR_MEANING = (
    "monitors scores columns 0",
    "monitors brier metric",
    "triggers harmful-drift all 0",
    "triggers degraded any 0",
    "triggers nightly cron",
    "triggers nightly timezone",
    "limits blackout 0 from",
    "gates 0 metric",
    "gates 2 by",
    "train entrypoint",
    "train timeout",
    "model metric",
    "data labels matures_after",
    "notify 0 on 0",
    "shadow block",
)
"""Places of texts; what is wrong with most of them is found when the placeholder has been replaced."""


def test_no_message_about_a_policy_holds_a_secret_wherever_it_stands() -> None:
    example = YAML(typ="safe", pure=True).load((FILES / "example.yaml").read_text())
    for where in CHECKED_FOR_THEIR_MEANING:
        changed = copy.deepcopy(example)
        *path, last = [int(key) if key.isdigit() else key for key in where.split()]
        place = changed
        for key in path:
            place = place[key]
        place[last] = "${METRICS_TOKEN}"
        with pytest.raises(PolicyError) as caught:
            parse_policy(json.dumps(changed), Path("x.yaml"), ENVIRON)  # JSON is YAML
        assert CANARY not in str(caught.value), where


@pytest.mark.parametrize("key", ["params: {key: '${API_KEY}'}", "command: [curl, '-H', 'X: ${API_KEY}']"])
def test_a_secret_that_every_run_would_record_is_refused(key: str) -> None:
    text = (FILES / "minimal.yaml").read_text().replace('entrypoint: "train:train"', key)
    with pytest.raises(PolicyError, match=r"the secret API_KEY does not belong here; name it in train\.env"):
        parse_policy(text, Path("x.yaml"), {"API_KEY": CANARY})


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, io.StringIO]]:
    """A policy full of secrets, of which everything that goes wrong says one."""
    with pytest.MonkeyPatch.context() as patched:
        parse = lambda text: parse_policy(text, Path("clicks.yaml"), ENVIRON)  # noqa: E731 - it replaces a function
        patched.setattr("tests.support.world._parsed", parse)
        world = World(tmp_path_factory.mktemp("troubled"), policy_text=WITH_SECRETS, rows_per_hour=30)
        log = io.StringIO()
        world.watch.redact = Redactor(ENVIRON, world.watch.policy.train.env).redact
        telemetry = PrometheusTelemetry(open_log({**ENVIRON, "CTRAIN_LOG_FORMAT": "json"}, log), "0")
        world.watch.telemetry = telemetry
        world.metrics.values["q"] = (
            f"refused: Bearer {ENVIRON['METRICS_TOKEN']} at {ENVIRON['METRICS_ADDRESS']}"
        )

        def train(*_: object) -> Any:
            raise ValueError(f"no features from {ENVIRON['FEATURES_FROM']}: {CANARY}-mlflow refused")

        world.launcher.train = train
        with world.store.write() as tx:
            tx.save_policy(world.name, world.watch.loaded.hash, "clicks.yaml", {}, START)
        world.install(POOR, {})
        world.land_together(42)
        world.settle()
        ask_to_train(world)
        world.settle()
        world.live(1)

        def away() -> None:
            raise TransientError(f"no answer of {ENVIRON['MLFLOW_TRACKING_URI']}")

        patched.setattr(world.registry, "_reach", away)
        for _ in range(3):
            with suppress(TransientError):
                world.tick()
        log.write(telemetry.expose()[0].decode())
        yield world, log


def places(world: World) -> Iterator[tuple[str, str]]:
    """All that a database, a command or a page would show."""
    with closing(sqlite3.connect(world.folder / "home" / "state.db")) as database:
        for line in database.iterdump():
            yield "database", line
    fleet = FleetQueries(world.store, world.clock, ENVIRON)
    yield "status", json.dumps(fleet.status().to_json())
    yield "why", json.dumps(fleet.why(PolicyName("clicks")).to_json())
    for run in fleet.runs():
        yield "show", json.dumps(fleet.show(run.id).to_json())
    with world.store.read() as tx:
        for line in export_lines(tx, Wanted(), START):
            yield "export", line


def test_no_secret_reaches_the_database_or_an_answer(troubled: tuple[World, io.StringIO]) -> None:
    world, _ = troubled
    found = list(places(world))
    assert [(place, text) for place, text in found if CANARY in text] == []
    told = "\n".join(text for _, text in found)
    for sign in ("no features from ***", "refused: Bearer ***", "no answer of https://***@mlflow.example"):
        assert sign in told, "what went wrong is told, without the secret"
    assert world.runs()[-1].phase in {Phase.FAILED, Phase.TRAINING}


def test_no_secret_reaches_the_log_or_the_metrics(troubled: tuple[World, io.StringIO]) -> None:
    _, log = troubled
    assert "training_failed" in log.getvalue()
    assert CANARY not in log.getvalue()


def test_a_command_that_fails_says_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CTRAIN_DATABASE_URL", f"nonsense://ann:{CANARY}@host/x")
    found = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert found.exit_code == 2
    assert CANARY not in found.output + found.stderr + str(found.exception)


def test_a_training_that_fails_tells_no_declared_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    job: Json = {"env": ["FEATURES_FROM", "SWITCH", "UNSET"]}
    monkeypatch.setenv("FEATURES_FROM", CANARY)
    monkeypatch.setenv("SWITCH", "on")
    assert without_declared(f"no rows from {CANARY}, going on", job) == "no rows from ***, going on"
