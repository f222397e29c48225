"""Starting our child processes: the command, a scrubbed environment, and talk in JSON lines.

User code runs in children only. They see the variables named here and those a deployment declares,
so neither the database's address nor a secret of the daemon reaches a model.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ctrain.domain import Json
from ctrain.errors import TransientError

CHILD_FOLDER = Path(__file__).with_name("child")

PASSED_ON = frozenset(
    {
        "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME", "LD_LIBRARY_PATH",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
        "GOOGLE_APPLICATION_CREDENTIALS",
    }
)  # fmt: skip
PASSED_ON_PREFIXES = ("LC_", "MLFLOW_", "AWS_", "AZURE_STORAGE_")
"""MLflow's own, and what its clients need to reach artifact stores."""
WITHHELD = frozenset(
    {
        "MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI", "MLFLOW_FLASK_SERVER_SECRET_KEY",
        "MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_GATEWAY_CONFIG",
        "MLFLOW_ARTIFACTS_DESTINATION",
    }
)  # fmt: skip
"""Secrets of an MLflow server that may run beside the daemon; no client needs them."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""Unless the environment says otherwise: MLflow's own defaults wait for many minutes."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip
SHARING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Unless the environment says otherwise: threads that wait by spinning make two trainings on the same
cores twenty times slower than one after the other."""
MAX_ERROR_LOG_BYTES = 1 << 20
LAST_WORDS_BYTES = 2000


def child_command(python: str, role: str, *arguments: str) -> list[str]:
    """Arguments that start a child in the interpreter ``python`` (empty: this one)."""
    return [python or sys.executable, str(CHILD_FOLDER), role, *arguments]


def child_environment(
    environ: Mapping[str, str], *, tracking_uri: str, threads: int, declared: Iterable[str] = ()
) -> dict[str, str]:
    """What a child may see of ``environ``, with threads pinned and everything that phones home off."""
    names = PASSED_ON | set(declared)
    passed = {
        name: value
        for name, value in environ.items()
        if name in names or (name.startswith(PASSED_ON_PREFIXES) and name not in WITHHELD)
    }
    pinned = dict.fromkeys(THREAD_VARIABLES, str(threads))
    return {
        **PATIENCE,
        **SHARING,
        **passed,
        **QUIET,
        **pinned,
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MALLOC_ARENA_MAX": "4",
    }


class ChildGone(TransientError):
    """The child ended; its last words are the message.

    ``taken`` is false when the request certainly never reached it.
    """

    def __init__(self, message: str, *, taken: bool) -> None:
        super().__init__(message)
        self.taken = taken


class LineChild:
    """A child that answers JSON lines with JSON lines, in a process group of its own.

    ``on_message`` and ``on_exit`` are called on a reader thread. The child ends when this process does, and
    its group with it. One that says something else than a JSON object is ended.
    Raises ChildGone when it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        on_message: Callable[[Json], None],
        on_exit: Callable[[], None],
    ) -> None:
        self._errors = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - lives as long as the child
        self._words = b""
        self._words_lock = threading.Lock()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise ChildGone(f"{command[0]} cannot be started: {error}", taken=False) from error
        self._on_message, self._on_exit = on_message, on_exit
        for target in (self._read, self._end_group):
            threading.Thread(target=target, name=f"child-{self._process.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, message: Json) -> None:
        """Hand one request to the child; raises ChildGone when it does not live."""
        assert self._process.stdin is not None
        try:
            self._bound_errors()
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise ChildGone(self.last_words() or str(error), taken=False) from error

    def kill(self) -> None:
        """End the child and its group now, and reap it; nothing to do when it is gone.

        ``on_exit`` is still called, and not waited for: the caller may hold what it needs.
        """
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """The end of what the child wrote to standard error."""
        with self._words_lock:
            if not self._errors.closed:
                size = os.fstat(self._errors.fileno()).st_size
                start = max(0, size - LAST_WORDS_BYTES)
                self._words = os.pread(self._errors.fileno(), LAST_WORDS_BYTES, start)
            return self._words.decode(errors="replace").strip()

    def _bound_errors(self) -> None:
        if os.fstat(self._errors.fileno()).st_size > MAX_ERROR_LOG_BYTES:
            os.ftruncate(self._errors.fileno(), 0)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = _message(line)
            if message is None:
                os.write(
                    self._errors.fileno(), b"its answer cannot be read: " + line[: LAST_WORDS_BYTES // 2]
                )
                self.kill()
                break
            self._on_message(message)
        self._process.wait()
        self.last_words()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            assert file is not None
            with contextlib.suppress(OSError), self._words_lock:
                file.close()
        self._on_exit()

    def _end_group(self) -> None:
        """Once the child has ended, end what it left running: that may hold its pipes open for ever."""
        with contextlib.suppress(ChildProcessError):  # somebody has reaped it already
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _message(line: bytes) -> Json | None:
    """The object on a line; None when there is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
