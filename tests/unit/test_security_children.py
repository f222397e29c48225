"""What a child gets of this process: declared variables, no descriptor, a group of its own, limits."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ctrain.child.entrypoint import load_training_function
from ctrain.children import WITHHELD, LineChild, child_command, child_environment
from ctrain.clocks import RealTimer
from ctrain.domain import RunId, TrainingContext, TrainingJob
from ctrain.launchers.job_folder import JobFolder
from ctrain.launchers.process import ProcessLauncher, kill_group
from tests.support.processes import gone
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SPY = f"""#!{sys.executable} -IS
import json, os, sys
seen = {{
    "environment": dict(os.environ),
    "descriptors": [fd for fd in range(256) if os.path.exists(f"/proc/self/fd/{{fd}}")],
    "leads": [os.getpid() == os.getpgrp(), os.getpid() == os.getsid(0)],
}}
with open(os.path.join(sys.argv[3], "seen.partial"), "w") as file:
    json.dump(seen, file)
os.rename(os.path.join(sys.argv[3], "seen.partial"), os.path.join(sys.argv[3], "seen.json"))
"""
ENVIRON = {
    "PATH": os.environ["PATH"],
    "FEATURE_STORE_TOKEN": "canary-declared",
    "OTHER_TOKEN": "canary-undeclared",
    "CTRAIN_DATABASE_URL": "postgresql://ann:canary-database@host/db",
    "CTRAIN_NOTIFY_URL": "https://canary-notify",
    **dict.fromkeys(WITHHELD, "canary-server"),
}


def a_job(folder: Path, python: str, **changes: Any) -> TrainingJob:
    context = TrainingContext(
        policy="clicks",
        run_id="clicks-1",
        task="binary",
        label="y",
        features={"numeric": ("x",)},
        window_start="2024-01-01",
        window_end="2024-02-01",
        params={},
    )
    values: dict[str, Any] = {
        "run_id": RunId("clicks-1"),
        "attempt": 1,
        "folder": str(folder),
        "entrypoint": "train:train",
        "code_folder": str(folder),
        "python": python,
        "timeout": timedelta(minutes=1),
        "memory_limit_bytes": 10**9,
        "context": context,
        "registration": {},
    }
    return TrainingJob(**{**values, **changes})


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What a training child finds; this process holds a descriptor open that could be inherited."""
    folder = tmp_path_factory.mktemp("job")
    spy = folder / "spy"
    spy.write_text(SPY)
    spy.chmod(0o700)
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        launcher = ProcessLauncher("http://mlflow", RealTimer(), environ=ENVIRON)
        launcher.start(a_job(folder / "attempt", str(spy), env=("FEATURE_STORE_TOKEN",)))
        found = folder / "attempt" / "seen.json"
        wait_until(found.exists, 20, "the child has looked around")
        yield json.loads(found.read_text()) | {"written": (folder / "attempt" / "job.json").read_text()}
    finally:
        os.close(reader)
        os.close(writer)


def test_a_training_sees_what_its_policy_declares_and_nothing_else(seen: Mapping[str, Any]) -> None:
    environment = seen["environment"]
    assert environment["FEATURE_STORE_TOKEN"] == "canary-declared"
    assert environment["MLFLOW_TRACKING_URI"] == "http://mlflow"
    assert not {name for name, value in environment.items() if "canary" in value} - {"FEATURE_STORE_TOKEN"}


def test_what_is_declared_cannot_replace_what_ctrain_sets(tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://elsewhere"}
    seen = child_environment(environ, tracking_uri="http://ours", threads=1, declared=environ)
    assert seen["MLFLOW_TRACKING_URI"] == "http://ours"


def test_names_of_variables_are_written_down_and_never_their_values(seen: Mapping[str, Any]) -> None:
    assert json.loads(seen["written"])["env"] == ["FEATURE_STORE_TOKEN"]
    assert "canary" not in seen["written"]


def test_a_child_inherits_no_descriptor(seen: Mapping[str, Any]) -> None:
    assert seen["descriptors"] == [0, 1, 2]


def test_a_child_leads_a_session_and_a_process_group_of_its_own(seen: Mapping[str, Any]) -> None:
    assert seen["leads"] == [True, True]


@pytest.mark.parametrize(
    "command",
    [
        child_command("", "score", "60", "1", "/nowhere"),
        child_command("", "registry", "60", "/nowhere"),
        [sys.executable, "-P", "-m", "ctrain.analysis", "60"],
    ],
    ids=["score", "registry", "analysis"],
)
def test_a_child_leaves_no_core_file(command: list[str]) -> None:
    child = LineChild(command, dict(os.environ), on_message=lambda _: None, on_exit=lambda: None)
    limits = Path(f"/proc/{child.pid}/limits")
    try:
        assert wait_until(lambda: core_limit(limits) == ["0", "0"], 20, "the child has given up core files")
    finally:
        child.kill()


def core_limit(limits: Path) -> list[str]:
    (line,) = [line for line in limits.read_text().splitlines() if line.startswith("Max core file size")]
    return line.split()[4:6]


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from ctrain.child.limits import limit_training
limit_training({"timeout_seconds": 10.5, "file_limit_bytes": 1000})
print(*resource.getrlimit(resource.RLIMIT_CPU), *resource.getrlimit(resource.RLIMIT_FSIZE))
try:
    with open(sys.argv[2], "wb") as file:
        file.write(bytes(2000))
except OSError as error:
    print(error.strerror)
"""


def test_a_training_is_limited_in_time_and_in_the_size_of_its_files(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", LIMITED, str(ROOT), str(tmp_path / "large")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    seconds = -(-105 * len(os.sched_getaffinity(0)) // 10) + 60
    assert done.stdout.splitlines() == [f"{seconds} {seconds} 1000 1000", "File too large"]
    assert (tmp_path / "large").stat().st_size == 1000


LEAVING = """
import subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
from ctrain.child import train

def leave(job, folder):
    deaf = "trap '' TERM; echo; while :; do sleep 1; done"
    program = subprocess.Popen(["sh", "-c", deaf], stdout=subprocess.PIPE)
    program.stdout.readline()
    away = subprocess.check_output("setsid sh -c 'echo $$; exec sleep 600 > /dev/null' &", shell=True)
    threading.Thread(target=threading.Event().wait).start()
    return {"left": [program.pid, int(away)]}

train._train = leave
sys.exit(train.main([sys.argv[2]]))
"""


def test_what_a_training_leaves_running_ends_with_it(tmp_path: Path) -> None:
    """A program that ignores the wish to end, one in a session of its own, and a thread."""
    (tmp_path / "job.json").write_text(json.dumps({"timeout_seconds": 60, "memory_limit_bytes": 10**9}))
    command = [sys.executable, "-c", LEAVING, str(ROOT), str(tmp_path)]
    child = subprocess.Popen(
        command, start_new_session=True, env={**os.environ, "CTRAIN_ATTEMPT": str(tmp_path)}
    )
    try:
        assert child.wait(60) == -signal.SIGKILL
        for pid in json.loads((tmp_path / "result.json").read_text())["left"]:
            wait_until(partial(gone, pid), 10, "the end of what was left running")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


SHARING = """
import os, subprocess, sys
from multiprocessing import shared_memory
sys.path.insert(0, sys.argv[1])
from ctrain.child.ending import end_group

memory = shared_memory.SharedMemory(create=True, size=1000)
left = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], close_fds=False)
print(memory.name, flush=True)
sys.stdin.readline()
end_group()
"""


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "ended"])
def test_shared_memory_of_a_training_is_gone_with_it(stopped: bool) -> None:
    """joblib's copy of the rows lies there, too: each training that is stopped would cost that much."""
    command = [sys.executable, "-c", SHARING, str(ROOT)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        memory = Path("/dev/shm") / child.stdout.readline().decode().strip()
        assert memory.exists()
        if stopped:
            kill_group(child.pid)
        else:
            child.communicate(b"\n")
    try:
        wait_until(lambda: not memory.exists(), 20, "the shared memory is gone")
    finally:
        memory.unlink(missing_ok=True)


def test_who_clears_up_behind_a_training_does_not_hide_what_it_said_itself(tmp_path: Path) -> None:
    cleared = "resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 1 leaked"
    (tmp_path / "train.log").write_text("its last words\n" + 4 * f"{cleared}\n  warnings.warn(\n")
    assert JobFolder(tmp_path).with_log_tail("ended") == "ended\nits last words"


WRITING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ctrain.child import train

def fill(job, folder):
    print("x" * 300_000, flush=True)

def shut(job, folder):
    os.close(1), os.close(2)
    print("x", flush=True)

def write(job, folder):
    for name in ("result.json", "rows.parquet"):
        with open(name, "w") as file:
            file.write("user code's own")
    return {"result": (folder / "result.json").exists(), "rows": (folder / "rows.parquet").read_text()}

train._train = {"fill": fill, "shut": shut, "write": write}[sys.argv[3]]
sys.exit(train.main([sys.argv[2]]))
"""


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (
            "fill",
            "a file or the log of training is larger than train.file_limit allows (0.0 GB): "
            "OSError: [Errno 27] File too large",
        ),
        ("shut", "OSError: [Errno 9] Bad file descriptor"),
    ],
)
def test_a_training_whose_log_takes_no_more_leaves_its_reason(tmp_path: Path, what: str, error: str) -> None:
    assert result_of(tmp_path, what)["error"] == error


def test_files_that_a_training_writes_by_bare_names_are_none_of_its_attempt(tmp_path: Path) -> None:
    """A ``result.json`` with an ``error`` in it is how many a training tells of its own metrics."""
    (tmp_path / "rows.parquet").write_text("what is trained on")
    assert result_of(tmp_path, "write") == {"result": False, "rows": "what is trained on"}


def result_of(folder: Path, what: str) -> Any:
    """What a training leaves that does something else than to train."""
    limits = {"timeout_seconds": 60, "memory_limit_bytes": 10**9, "file_limit_bytes": 200_000}
    (folder / "job.json").write_text(json.dumps(limits))
    command = [sys.executable, "-c", WRITING, str(ROOT), str(folder), what]
    with (folder / "train.log").open("ab") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
        assert child.wait(60) == -signal.SIGKILL
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("trick", ["link", "dots"])
def test_an_entrypoint_outside_the_folder_of_the_policy_is_not_run(tmp_path: Path, trick: str) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "outside.py").write_text(f"open({str(ran)!r}, 'w')\ndef train(rows, context): ...\n")
    code = tmp_path / "policy"
    code.mkdir()
    name = "../outside"
    if trick == "link":
        (code / "train.py").symlink_to(tmp_path / "outside.py")
        name = "train"
    with pytest.raises(PermissionError, match="leads out of"):
        load_training_function(f"{name}:train", code)
    assert not ran.exists()


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    """As a mounted ConfigMap of Kubernetes has them."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "linked_training.py").write_text("def train(rows, context):\n    return 1\n")
    (tmp_path / "linked_training.py").symlink_to(Path("..data") / "linked_training.py")
    assert load_training_function("linked_training:train", tmp_path)(None, None) == 1
