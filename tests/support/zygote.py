"""Real processes for little money: a process that has imported everything, and forks on demand.

A daemon or a child that starts in three seconds starts here in a tenth of one: the interpreter that
ctrain is told to use is a script of a few lines, which hands its arguments and its standard streams to
the process that is warm. What is forked there runs the same ``main`` as the program itself; the script
stays as long as the fork does, passes signals on to it, and ends as it ended. Whatever else an
interpreter is asked to run, the real one runs.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

import ctrain.children
from ctrain.children import QUIET, THREAD_VARIABLES
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
CODE = struct.Struct("<i")
KILLED = 137
PIDS = "pids"
"""Folder below the TMPDIR of a process where each says that it is there: ROLE-PID."""
FORKS = "forks"
"""Folder beside the script with a file for each process of it that names its fork."""
MODULES = ("ctrain", "tests.e2e.faulty_daemon", "tests.support.somebody_else")

WARM = (
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.pipeline",
    "sklearn.tree",
    "uvicorn",
    "ctrain.app.daemon",
    "ctrain.app.faulting",
    "ctrain.app.noticing",
    "ctrain.child.__main__",
    "ctrain.child.adopt",
    "ctrain.child.fit",
    "ctrain.child.importance",
    "ctrain.child.limits",
    "ctrain.child.prepare",
    "ctrain.child.registration",
    "ctrain.child.registry",
    "ctrain.child.score",
    "ctrain.child.train",
    "ctrain.cli",
    "ctrain.faults",
    "ctrain.launchers.process",
    "ctrain.notify",
    "ctrain.registry.measured",
    "ctrain.scoring.pool",
    "ctrain.sources.opening",
    "ctrain.telemetry",
    "ctrain.web",
)

SCRIPT = """#!{python} -ISs
import json, os, signal, socket, struct, sys
words = sys.argv[1:]
if not words or (words[0] != {children!r} and (words[0] != "-m" or words[1] not in {modules!r})):
    os.execv({python!r}, [{python!r}, *words])
talk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
talk.connect({address!r})
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    # What the fork does with it is its own affair: a daemon under nohup reads its policies again.
    signal.signal(number, lambda number, frame: talk.sendall(bytes([number])))
asked = json.dumps([words, os.getcwd(), dict(os.environ), os.getpid()]).encode()
socket.send_fds(talk, [struct.pack("<i", len(asked))], [0, 1, 2])
talk.sendall(asked)
[os.close(stream) for stream in (0, 1)]
answer = talk.recv(4)
if not answer:
    os.kill(os.getpid(), signal.SIGKILL)
os._exit(struct.unpack("<i", answer)[0] & 255)
"""


class Zygote:
    """A warm process; ``python`` is an interpreter whose processes are its forks."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "python"
        self._address = str(folder / "zygote")
        self._forks = folder / FORKS
        self._forks.mkdir()
        script = SCRIPT.format(
            python=sys.executable,
            address=self._address,
            children=str(ctrain.children.CHILD_FOLDER),
            modules=MODULES,
        )
        self.python.write_text(script)
        self.python.chmod(0o700)
        self._warm = subprocess.Popen(
            [sys.executable, "-m", "tests.support.zygote", self._address, str(self.python)],
            cwd=REPOSITORY,
            env={**os.environ, **QUIET, **dict.fromkeys(THREAD_VARIABLES, "1")},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        wait_until(self._is_warm, 240.0, "the warm process")

    def _is_warm(self) -> bool:
        assert self._warm.poll() is None, "the warm process ended"
        return Path(self._address).exists()

    def start(self, words: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """A process that runs ``python WORDS...``; it ends when what was forked for it ends."""
        with log.open("ab") as out:
            return subprocess.Popen(
                [str(self.python), *words],
                env=dict(environ),
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def fork_of(self, pid: int) -> int:
        """The process that does the work of one that runs the script; any other does its own."""
        with contextlib.suppress(psutil.Error, FileNotFoundError):
            if str(self.python) in psutil.Process(pid).cmdline():
                return int((self._forks / str(pid)).read_text())
        return pid

    def close(self) -> None:
        with self._warm:  # its pipe, too
            self._warm.kill()


def warm_up() -> None:
    """Import what a daemon and its children need, and start no thread."""
    for name in WARM:
        importlib.import_module(name)


def serve(address: str, python: str) -> None:
    """Fork for whoever asks, until this process is ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    partial = f"{address}.partial"
    listener.bind(partial)
    listener.listen(64)
    Path(partial).rename(address)
    while True:
        talk, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _become(talk, python)
        talk.close()


def _end_with_starter() -> None:
    os.read(0, 1)
    os._exit(0)


def _become(talk: socket.socket, python: str) -> None:
    """Be the process that was asked for; never returns."""
    code = 1
    try:
        words = _take_over(talk, python)
        sys.executable = python
        threading.Thread(target=_obey, args=(talk,), daemon=True).start()
        code = _run(words)
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001  # as an interpreter does it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(OSError):
            talk.sendall(CODE.pack(code))
        os._exit(code)


def _take_over(talk: socket.socket, python: str) -> list[str]:
    """Take the streams, the folder and the environment of the one who asked; return its arguments.

    Ends the process where who asked was killed before it had said all of them.
    """
    head, streams, _, _ = socket.recv_fds(talk, CODE.size, 3)
    if len(head) < CODE.size:
        sys.exit(1)
    (length,) = CODE.unpack(head)
    asked = b""
    while len(asked) < length:
        more = talk.recv(length - len(asked))
        if not more:
            sys.exit(1)
        asked += more
    words, folder, environ, pid = json.loads(asked)
    (Path(python).with_name(FORKS) / str(pid)).write_text(str(os.getpid()))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    return list(words)


def _stream(number: int) -> Any:
    return open(number, "w", buffering=1, closefd=False)


def _obey(talk: socket.socket) -> None:
    """Take signals from the one who asked, and end when it ends, as if this were it."""
    while number := talk.recv(1):
        os.kill(os.getpid(), number[0])
    os._exit(KILLED)


def _run(words: list[str]) -> int:
    """What an interpreter does with ``-m MODULE ...`` or with the folder of the children."""
    if words[0] == "-m":
        _say_so(words[2] if len(words) > 2 else words[1])
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return 0
    from ctrain.child.__main__ import main as child

    _say_so(words[1])
    sys.argv = words
    return child()


def _say_so(role: str) -> None:
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / PIDS
    if folder.is_dir():
        (folder / f"{role}-{os.getpid()}").touch()


if __name__ == "__main__":
    warm_up()
    serve(*sys.argv[1:])
