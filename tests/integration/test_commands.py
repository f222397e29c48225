"""Commands as people type them: beside a running daemon, and at night without one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from ctrain.domain import Phase, PolicyName, RunId, Version
from ctrain.store import open_store
from tests.support.live import HOUR, POLICY, LiveClicks, open_live
from tests.support.warm import family_of, pid_of
from tests.waiting import wait_until

CLICKS = PolicyName("clicks")
SECRET = "s3cr3t-9f27c1"
SECRET_VARIABLE = "CLICKS_SECRET"

CALM = (
    POLICY.replace("above: 0.01", "above: 0.9")
    .replace("path: rows/*.parquet", f'path: "${{{SECRET_VARIABLE}}}/*.parquet"')
    .replace("runs: 10", "runs: 7")
)
"""Nothing fires by itself; the folder of the rows comes from the environment."""

TRAINING = """
import os
import threading
from pathlib import Path

from sklearn.linear_model import LogisticRegression


def train(rows, context):
    seen = "\\n".join(map("=".join, os.environ.items()))
    Path(__file__).with_name(f"{context.run_id}.environ").write_text(seen)
    if "hang" in context.params:
        threading.Event().wait()
    strength = float(context.params.get("C", 1.0))
    model = LogisticRegression(C=strength)
    return model.fit(rows[list(context.feature_names)], rows[context.label].astype(int))
"""


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shell:
    """A person's terminal on the home of one live policy."""

    live: LiveClicks
    environ: Mapping[str, str]
    record: dict[str, Done] = field(default_factory=dict)
    """What was answered while the story went on."""
    daemon: subprocess.Popen[bytes] | None = None

    def type(self, *words: str, home: Path | None = None) -> Done:
        arguments = [*words, "--home", str(home or self.live.home)]
        done = CliRunner().invoke(app, arguments, env={**self.environ, "COLUMNS": "160"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    def run(self, run_id: str) -> Any:
        return self.type("show", run_id, "--json").json["run"]

    def wait_for(self, run_id: str, phase: str) -> None:
        wait_until(lambda: self.run(run_id)["phase"] == phase, 60, f"{run_id} is {phase}")

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{self.live.listen}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def log(self) -> str:
        return (self.live.home / "daemon.log").read_text()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A daemon with a first champion, a cancelled training, and a challenger on probation."""
    folder = tmp_path_factory.mktemp("commands") / "clicks"
    live = open_live(folder, policy_text=CALM)
    (folder / "clicks.py").write_text(TRAINING)
    (folder / SECRET).symlink_to("rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SECRET_VARIABLE, SECRET)
        patch.setenv("CTRAIN_ACTOR", "ann")
        patch.setenv("CTRAIN_TICK_SECONDS", "1")
        for name in ("MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME"):
            patch.delenv(name, raising=False)
        shell = Shell(live, dict(os.environ))
        with live.daemon() as shell.daemon:
            tell(shell)
            yield shell


def tell(shell: Shell) -> None:
    live, record, ask = shell.live, shell.record, shell.type
    live.land(48, step=24)
    record["status at first"] = ask("status")
    record["why at first"] = ask("why", "clicks")
    record["runs at first"] = ask("runs")
    record["first trigger"] = ask(
        "trigger", "clicks", "--param", "C=0.5", "--reason", "first model", "--json"
    )
    shell.wait_for("clicks-1", "ACCEPTED")
    record["hanging trigger"] = ask("trigger", "clicks", "--param", "hang=yes")
    shell.wait_for("clicks-2", "TRAINING")
    pids = wait_until(lambda: training_pids(shell), 60, "the training child runs")
    record["children"] = Done(0, "\n".join(pids), "")
    record["second trigger"] = ask("trigger", "clicks", "--json")
    record["status in training"] = ask("status")
    record["cancel in training"] = ask("cancel", "clicks-2", "--reason", "it hangs", "--json")
    record["cancel again"] = ask("cancel", "clicks-2")
    record["pause"] = ask("pause", "clicks", "--json")
    record["status when paused"] = ask("status")
    record["why when paused"] = ask("why", "clicks")
    record["resume"] = ask("resume", "clicks")
    record["third trigger"] = ask("trigger", "clicks", "--reason", "a challenger")
    shell.wait_for("clicks-3", "SHADOWING")
    record["show in shadow"] = ask("show", "clicks-3")
    live.land(48, step=48)
    shell.wait_for("clicks-3", "PROBATION")
    live.land(24, step=24)
    record["metrics"] = Done(0, shell.metrics(), "")


def training_pids(shell: Shell) -> list[str]:
    assert shell.daemon is not None
    return [str(one.pid) for one in family_of(shell.daemon) if "train" in one.cmdline()]


@pytest.fixture(scope="module")
def stopped(story: Shell) -> Shell:
    """The same home after a clean stop, the challenger still on probation."""
    assert story.daemon is not None
    story.daemon.terminate()
    assert story.daemon.wait(30) == 0
    return story


def test_before_the_first_model_everything_says_what_is_missing(story: Shell) -> None:
    status, why = story.record["status at first"], story.record["why at first"]
    assert status.out.startswith("a daemon runs (process ")
    for line in ("champion │ none", "run      │ none is active", "1920", "there is no champion yet"):
        assert line in status.out
    assert "- there is no champion: nothing is compared" in why.out
    assert "- 7 runs left in the budget" in why.out
    assert story.record["runs at first"].out == "no runs yet\n"


def test_a_trigger_is_answered_with_its_run(story: Shell) -> None:
    done = story.record["first trigger"]
    assert done.code == 0
    assert done.json["answered"] is True
    assert done.json["answer"] == "done: run clicks-1 started"
    assert done.json["run"]["id"] == "clicks-1"
    assert story.record["third trigger"].out == "done: run clicks-3 started\n"
    run = story.run("clicks-1")
    assert (run["actor"], run["reason"]) == ("ann", "asked for by ann: first model")


def test_parameters_of_a_trigger_reach_training_and_mlflow(story: Shell) -> None:
    detail = story.type("show", "clicks-1", "--json").json
    assert detail["mlflow_run_id"]
    with closing(sqlite3.connect(story.live.home / "mlflow.db")) as database:
        found = dict(
            database.execute("select key, value from params where run_uuid = ?", [detail["mlflow_run_id"]])
        )
    assert "0.5" in found.values()


def test_a_second_trigger_while_a_run_is_active_is_refused(story: Shell) -> None:
    done = story.record["second trigger"]
    assert done.code == 1
    assert done.json["answer"].startswith("refused: ")
    assert "clicks-2 is active" in done.json["answer"]
    assert done.json["run"] is None
    assert "clicks-2 TRAINING since" in story.record["status in training"].out


def test_cancelling_a_training_kills_its_child(story: Shell) -> None:
    done = story.record["cancel in training"]
    assert (done.code, done.json["answer"]) == (0, "done: run clicks-2 is CANCELLED")
    outcome = "cancelled by ann: it hangs"
    assert done.json["run"] == {"id": "clicks-2", "phase": "CANCELLED", "outcome": outcome}
    pids = [int(pid) for pid in story.record["children"].out.split()]
    assert pids
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_run_that_has_ended_cannot_be_cancelled(story: Shell) -> None:
    done = story.record["cancel again"]
    assert done.code == 1
    assert done.out.startswith("refused: ")
    assert "CANCELLED" in done.out


def test_pause_and_resume_say_so_everywhere(story: Shell) -> None:
    assert story.record["pause"].json == {"policy": "clicks", "paused": True}
    assert "clicks (paused)" in story.record["status when paused"].out
    assert "- the policy is paused; `ctrain resume` ends that" in story.record["why when paused"].out
    assert story.record["resume"].out == "clicks is not paused: runs may start\n"
    with open_store(f"sqlite:///{story.live.home / 'state.db'}").read() as tx:
        kinds = [(event.kind, event.actor) for event in tx.events(CLICKS)]
    assert ("paused", "ann") in kinds
    assert ("resumed", "ann") in kinds


def test_a_run_in_shadow_shows_its_gates(story: Shell) -> None:
    shown = story.record["show in shadow"].out
    for text in ("clicks-3", "SHADOWING", "asked for by ann: a challenger", "roc_auc >= 0.55", "held out"):
        assert text in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("trigger", "clack"), "there is no policy clack here; known: clicks\n"),
        (("pause", "clack"), "there is no policy clack here; known: clicks\n"),
        (("rollback", "clack"), "there is no policy clack here; known: clicks\n"),
        (("why", "clack"), "there is no policy clack here; known: clicks\n"),
        (
            ("cancel", "clicks-99"),
            "there is no run clicks-99; the newest runs: clicks-3, clicks-2, clicks-1\n",
        ),
        (("show", "clack-1"), "there is no run clack-1; the newest runs: clicks-3, clicks-2, clicks-1\n"),
        (("trigger", "clicks", "--param", "C"), "--param C: expected KEY=VALUE\n"),
        (("check", "clack"), "clack: neither a file nor a policy of this home; known: clicks\n"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(
    story: Shell, words: tuple[str, ...], message: str
) -> None:
    done = story.type(*words)
    assert (done.code, done.err, done.out) == (2, message, "")


def test_check_goes_by_the_file_as_it_is_now(story: Shell) -> None:
    """Beside a daemon: so a person finds out what a change would say before it is in force."""
    strict = story.live.folder / "strict.yaml"
    strict.write_text(CALM.replace("above: 0.9", "above: 0.01"))
    told = story.type("check", str(strict), "--json")
    strict.unlink()
    verdicts = {one["monitor"]: one for one in told.json["verdicts"]}
    assert (told.code, told.err, told.json["breached"]) == (3, "", True)
    assert set(verdicts) == {"inputs", "brier"}
    assert set(verdicts["brier"]) == {"monitor", "status", "value", "threshold", "n", "as_of", "reason"}
    assert (verdicts["brier"]["status"], verdicts["brier"]["threshold"]) == ("BREACHED", 0.01)
    assert "is above 0.01 on" in verdicts["brier"]["reason"]
    assert "0.9" in story.type("status").out
    assert "models trained within a year" in story.type("status").out


def test_a_daemon_that_does_not_answer_is_said_to(story: Shell) -> None:
    assert story.daemon is not None
    os.kill(pid_of(story.daemon), signal.SIGSTOP)
    try:
        done = story.type("cancel", "clicks-1", "--wait", "0.2")
        told = story.type("cancel", "clicks-1", "--wait", "0.2", "--json")
    finally:
        os.kill(pid_of(story.daemon), signal.SIGCONT)
    assert done.code == 1
    assert f"but the daemon (process {pid_of(story.daemon)} on " in done.out
    assert "has not answered within 0.2 s" in done.out
    assert (told.code, told.json["answered"], told.json["answer"]) == (1, False, "")


def test_a_second_daemon_is_refused(story: Shell) -> None:
    assert story.daemon is not None
    done = story.type("run", str(story.live.folder / "clicks.yaml"), "--listen", "127.0.0.1:0")
    assert done.code == 1
    assert f":{pid_of(story.daemon)}:" in done.err
    assert "watches this database" in done.err


def test_the_registry_may_go_and_come_back(story: Shell) -> None:
    database, away = story.live.home / "mlflow.db", story.live.home / "mlflow.db.away"
    later = story.live.now + HOUR / 2
    database.rename(away)
    try:
        story.live.clock.set(later)
        wait_until(lambda: "the registry cannot be read" in story.type("status").out, 60, "status says so")
        why, metrics = story.type("why", "clicks"), story.metrics()
        begun = story.type("rollback", "clicks", "--reason", "support called", "--wait", "0.5")
    finally:
        away.rename(database)
    assert "- the registry cannot be read, so nothing is decided or promoted: since" in why.out
    assert 'ctrain_registry_readable{policy="clicks"} 0.0' in metrics
    assert begun.code == 1
    assert begun.out == (
        "done: run clicks-3 is ROLLING_BACK\n"
        "that takes longer than 0.5 s; `ctrain show clicks-3` tells how it ends\n"
    )
    story.wait_for("clicks-3", "ROLLED_BACK")
    story.live.clock.wait_until_quiet(later, 60, lambda: True)
    assert "cannot be read" not in story.type("status").out + story.type("why", "clicks").out
    assert 'ctrain_registry_readable{policy="clicks"} 1.0' in story.metrics()


def test_the_metrics_of_the_contract_are_all_there(story: Shell) -> None:
    values = {}
    for line in story.record["metrics"].out.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            values[name.removeprefix("ctrain_")] = float(value)
    assert values['leader{policy="clicks"}'] == 1
    assert (values["daemons"], values["policies_held"]) == (1, 1)
    assert values["config_last_reload_successful"] == 1
    assert values['budget_remaining{policy="clicks"}'] == 4
    assert values['registry_divergence_total{policy="clicks"}'] == 0
    assert values['registry_readable{policy="clicks"}'] == 1
    assert values['run_phase{phase="PROBATION",policy="clicks"}'] == 1
    assert values['champion_info{policy="clicks",version="2"}'] == 1
    assert values['runs_total{outcome="cancelled",policy="clicks"}'] == 1
    assert values['tick_failures_total{kind="unexpected",policy="clicks"}'] == 0
    assert values['tick_last_success_timestamp_seconds{policy="clicks"}'] > 1e9
    for histogram in ("tick_duration_seconds", "mlflow_request_duration_seconds"):
        assert values[f"{histogram}_count"] > 10
        assert 0 < values[f"{histogram}_sum"] < 600
    own = [name for name in values if 'policy="clicks"' in name]
    assert len(own) <= 60


def test_a_secret_of_the_environment_stays_there(story: Shell) -> None:
    assert SECRET not in (story.live.folder / "clicks-1.environ").read_text()
    assert SECRET not in story.log()
    shown = story.type("show", "clicks-3", "--json").out + story.type("status", "--json").out
    assert SECRET not in shown + story.type("why", "clicks", "--json").out
    artifacts = list(story.live.home.rglob("policy.yaml"))
    assert artifacts
    for path in artifacts:
        assert SECRET not in path.read_text()
        assert f"${{{SECRET_VARIABLE}}}" in path.read_text()
    for database, cursor in (("state.db", {"ingest_states"}), ("mlflow.db", set())):
        assert SECRET not in rows_of(story.live.home / database, cursor)


def rows_of(database: Path, without: set[str]) -> str:
    """Every value of every table, but for these: the cursor of a source must name its files."""
    with closing(sqlite3.connect(database)) as connection:
        tables = {
            name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        }
        assert without <= tables
        return str([list(connection.execute(f"select * from {name}")) for name in tables - without])


def test_children_see_what_they_need_and_no_more(story: Shell) -> None:
    seen = dict(
        line.partition("=")[::2]
        for line in (story.live.folder / "clicks-1.environ").read_text().splitlines()
        if "=" in line
    )
    assert {"PATH", "MLFLOW_TRACKING_URI", "OMP_NUM_THREADS"} <= seen.keys()
    assert not {SECRET_VARIABLE, "CTRAIN_ACTOR", "PYTEST_CURRENT_TEST"} & seen.keys()


def test_the_daemon_and_its_children_listen_on_loopback_only(story: Shell) -> None:
    assert story.daemon is not None
    listening = {
        one.laddr.ip
        for process in family_of(story.daemon)
        for one in process.net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def aliases(shell: Shell) -> dict[str, str]:
    with closing(sqlite3.connect(shell.live.home / "mlflow.db")) as database:
        found = database.execute("select alias, version from registered_model_aliases where name = 'clicks'")
        return {alias: str(version) for alias, version in found}


@pytest.fixture
def at_rest(stopped: Shell) -> Shell:
    """No run is active, whichever tests came before."""
    if stopped.run("clicks-3")["phase"] == "PROBATION":
        assert "clicks-3 is ROLLED_BACK" in stopped.type("rollback", "clicks").out
    return stopped


def test_a_rollback_long_after_is_an_alias_move_of_its_own(at_rest: Shell) -> None:
    """Also while somebody has broken the policy's file: then it goes by the newest run's."""
    stopped = at_rest
    with closing(sqlite3.connect(stopped.live.home / "mlflow.db")) as database, database:
        database.execute(
            "insert or replace into registered_model_aliases (name, alias, version) "
            "values ('clicks', 'previous_champion', 2)"
        )
    before, file = aliases(stopped), stopped.live.folder / "clicks.yaml"
    text = file.read_text()
    file.write_text("policy: [")
    done = stopped.type("rollback", "clicks", "--reason", "numbers look odd")
    file.write_text(text)
    assert (done.code, done.err) == (0, "")
    assert done.out == "done: version 2 is the champion again instead of 1: numbers look odd\n"
    assert (before["champion"], aliases(stopped)["champion"]) == ("1", "2")


def test_a_trigger_waits_for_the_next_daemon(stopped: Shell) -> None:
    done = stopped.type("trigger", "clicks", "--json")
    assert (done.code, done.json["answered"], done.json["run"]) == (0, False, None)
    text = stopped.type("trigger", "clicks", "--reason", "see caf\udce9.csv")
    assert text.out.endswith("is on record; no daemon runs, the next one will answer it\n")
    assert "2 wait for a daemon" in stopped.type("status").out
    assert "- 2 requests wait for a daemon" in stopped.type("why", "clicks").out


def contents(folder: Path) -> dict[str, str]:
    """Digests of all files; a reader of a database leaves an empty log beside it, with its index."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix != ".db-shm"
        and not (path.suffix == ".db-wal" and not path.stat().st_size)
    }


def test_check_changes_nothing(stopped: Shell) -> None:
    with closing(sqlite3.connect(stopped.live.home / "state.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what was asked before lies in its log, or not
    before = contents(stopped.live.home)
    done = stopped.type("check", "clicks")
    assert contents(stopped.live.home) == before
    assert (done.code, done.err) == (0, "")
    assert "brier" in done.out


def start_run(shell: Shell, run_id: str, phase: Phase) -> None:
    """A run as a daemon that was killed has left it; version 2 has replaced version 1."""
    with open_store(f"sqlite:///{shell.live.home / 'state.db'}").write() as tx:
        (like, *_) = tx.runs(CLICKS)
        run = replace(
            like,
            id=RunId(run_id),
            phase=phase,
            ended_at=None,
            champion_version=Version("1"),
            challenger_version=Version("2"),
        )
        tx.create_run(run)


def test_cancelling_on_probation_is_a_rollback_that_is_carried_out_here(stopped: Shell) -> None:
    start_run(stopped, "clicks-4", Phase.PROBATION)
    done = stopped.type("cancel", "clicks-4", "--reason", "support called", "--json")
    assert (done.code, done.err) == (0, "")
    outcome = "version 1 is the champion again: cancelled by ann: support called"
    assert done.json["run"] == {"id": "clicks-4", "phase": "ROLLED_BACK", "outcome": outcome}
    status = stopped.type("status")
    assert status.out.startswith("no daemon runs")
    assert "1 (rolled_back)" in status.out


def test_a_promotion_under_way_cannot_be_cancelled(stopped: Shell) -> None:
    start_run(stopped, "clicks-5", Phase.PROMOTING)
    done = stopped.type("cancel", "clicks-5")
    assert done.code == 1
    assert done.out.startswith("refused: ")
    assert "PROMOTING" in done.out


def test_without_a_home_every_command_says_where_it_looked(tmp_path: Path, story: Shell) -> None:
    nowhere = tmp_path / "nowhere"
    for words in (("status",), ("runs",), ("why", "x"), ("trigger", "x"), ("pause", "x"), ("cancel", "x-1")):
        done = story.type(*words, home=nowhere)
        message = f"{nowhere}: no ctrain home here; start `ctrain run` first, or name it with --home\n"
        assert (done.code, done.err) == (2, message)
    assert not nowhere.exists()
