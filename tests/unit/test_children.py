"""What children may see of the daemon's environment, and how those that answer lines end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from ctrain.children import LineChild, child_command, child_environment
from ctrain.domain import Json, Task, Version
from ctrain.errors import TransientError
from ctrain.registry.adoption import parse_adoption
from tests.waiting import wait_until


def test_only_what_is_named_or_declared_reaches_a_child() -> None:
    environ = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "AWS_SECRET_ACCESS_KEY": "for the artifact store",
        "MLFLOW_TRACKING_URI": "http://elsewhere",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "9",
        "MLFLOW_DISABLE_TELEMETRY": "false",
        "CTRAIN_DATABASE_URL": "postgresql://user:secret@host/db",
        "PYTHONPATH": "/somewhere",
        "OMP_NUM_THREADS": "64",
        "DECLARED": "yes",
    }
    seen = child_environment(environ, tracking_uri="http://ours", threads=1, declared=["DECLARED", "UNSET"])
    assert seen["PATH"] == "/bin"
    assert seen["LC_ALL"] == "C"
    assert seen["AWS_SECRET_ACCESS_KEY"] == "for the artifact store"
    assert seen["MLFLOW_TRACKING_URI"] == "http://ours"
    assert seen["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "9"
    assert seen["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert seen["OMP_NUM_THREADS"] == seen["OPENBLAS_NUM_THREADS"] == "1"
    assert seen["DECLARED"] == "yes"
    assert not {"CTRAIN_DATABASE_URL", "PYTHONPATH", "UNSET"} & set(seen)


def test_threads_of_children_do_not_spin_unless_a_deployment_says_so() -> None:
    asked = {"OMP_WAIT_POLICY": "ACTIVE"}
    seen = child_environment({}, tracking_uri="", threads=2)
    assert seen["OMP_WAIT_POLICY"] == "PASSIVE"
    declared = child_environment(asked, tracking_uri="", threads=2, declared=asked)
    assert declared["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        ({"output_kind": "probability", "outputs": 2, "classes": ["0", "1"]}, Task.BINARY),
        ({"output_kind": "probability", "outputs": 3}, Task.MULTICLASS),
        ({"output_kind": "class", "outputs": 1, "classes": ["a", "b", "c"]}, Task.MULTICLASS),
        ({"output_kind": "probability", "outputs": 2, "classes": ["false", "true"]}, Task.BINARY),
        ({"output_kind": "probability", "outputs": 2, "classes": ["fraud", "legit"]}, Task.MULTICLASS),
        ({"output_kind": "probability", "outputs": 2, "classes": ["-1", "1"]}, Task.MULTICLASS),
        ({"output_kind": "class", "outputs": 1}, None),
        ({"output_kind": "value", "outputs": 1}, Task.REGRESSION),
        ({"output_kind": "value", "outputs": 2}, None),
    ],
)
def test_the_kind_of_output_suggests_a_task(answer: dict[str, object], task: Task | None) -> None:
    assert parse_adoption("m", Version("1"), 0, json.dumps(answer), "").likely_task is task


def test_an_examination_that_died_is_no_answer() -> None:
    with pytest.raises(TransientError, match="examining version 1 of m ended with -9: out of luck"):
        parse_adoption("m", Version("1"), -9, "", "out of luck")
    with pytest.raises(TransientError, match="examining version 1 of m ended with -6: it said nothing"):
        parse_adoption("m", Version("1"), -6, "", " ")


def test_a_child_starts_where_ctrain_is_not_installed_and_ends_with_its_parent(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    # -S: no site-packages at all, so neither ctrain nor anything it depends on can be found there.
    command = [sys.executable, "-S", *child_command("", "score", "60", "1", str(scratch))[1:]]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not scratch.exists()


ROOT = Path(__file__).parents[2]
ANSWERING = """
import multiprocessing, os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
from ctrain.child.lines import serve

def leave_thread(request):
    threading.Thread(target=threading.Event().wait).start()
    return {"left": 0}

def leave_process(request):
    left = multiprocessing.get_context("fork").Process(target=signal.pause)
    left.start()
    return {"left": left.pid}

def die(request):
    print(leave_process(request)["left"], file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

serve(globals()[sys.argv[2]], 0.2, at_end=lambda: None)
"""


def answers_of(program: str, *arguments: str) -> tuple[list[Json], str]:
    """What a child answers to one request, and its last words, when it has ended."""
    answers: list[Json] = []
    ended = threading.Event()
    command = [sys.executable, "-c", program, str(ROOT), *arguments]
    child = LineChild(command, dict(os.environ), on_message=answers.append, on_exit=ended.set)
    try:
        child.send({})
        assert ended.wait(20), "nobody was told that the child has ended"
        assert not child.alive
        return answers, child.last_words()
    finally:
        child.kill()


def test_a_thread_that_a_model_leaves_does_not_keep_its_child_from_ending() -> None:
    """An idle one that lived on would take the next job and never answer it."""
    assert answers_of(ANSWERING, "leave_thread") == ([{"left": 0}], "")


@pytest.mark.parametrize("what", ["leave_process", "die"])
def test_what_a_model_leaves_running_ends_with_its_child(what: str) -> None:
    """A fork holds the pipes of its child: without an end of its own nobody would hear of the child's."""
    answers, words = answers_of(ANSWERING, what)
    left = answers[0]["left"] if answers else int(words)
    assert wait_until(lambda: not runs(left), 10, "the end of what was left running")


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("line", ["no JSON", '{"half', "[1]"])
def test_a_child_that_answers_something_else_is_ended(line: str) -> None:
    says = "import signal, sys; print(sys.argv[2], flush=True); signal.pause()"
    assert answers_of(says, line) == ([], f"its answer cannot be read: {line}")
