"""A child that talks to MLflow, asked for one thing at a time; started when it is needed."""

from __future__ import annotations

import queue
import shutil
import tempfile
import threading
from collections.abc import Mapping
from datetime import timedelta

from ctrain.children import ChildGone, LineChild, child_command
from ctrain.domain import Json
from ctrain.errors import Interrupted, TransientError
from ctrain.turns import waiting

QUESTIONS = frozenset({"alias", "version", "find_version", "digest"})
"""Calls that change nothing, and may be asked twice."""
RETRY_IN = timedelta(seconds=10)


class Lane:
    """Callers take turns; a call that gets no answer within ``timeout_seconds`` kills the child.

    What the child has fetched by then goes with it.
    """

    def __init__(
        self,
        python: str,
        environ: Mapping[str, str],
        server: str,
        *,
        timeout_seconds: float,
        idle_seconds: float,
    ) -> None:
        """``server`` is what it is called where it does not answer."""
        self._python, self._environ, self._server = python, environ, server
        self._timeout_seconds, self._idle_seconds = timeout_seconds, idle_seconds
        self._lock = threading.Lock()
        self._child: LineChild | None = None
        self._scratch = ""
        self._interrupted = False
        self._answers: queue.SimpleQueue[Json | None] = queue.SimpleQueue()

    def ask(self, request: Json) -> Json:
        """The answer of the child, whatever it is; raises TransientError when there is none."""
        with waiting(), self._lock:
            try:
                return self._ask_once(request)
            except ChildGone as error:
                # A child may end, being idle, just as it is asked. What changes something is left to the
                # caller, who looks first whether it has been done.
                if error.taken and request["call"] not in QUESTIONS:
                    raise
                return self._ask_once(request)

    def close(self) -> None:
        """End the child, if there is one; a later call starts another."""
        with self._lock:
            self._drop_child()

    def interrupt(self) -> None:
        """End a call under way, and refuse later ones."""
        self._interrupted = True
        child = self._child
        if child is not None:
            child.kill()

    def _ask_once(self, request: Json) -> Json:
        try:
            child = self._living_child()
            child.send(request)
            answer = self._answers.get(timeout=self._timeout_seconds)
        except queue.Empty:
            self._drop_child()
            waited = f"did not answer {request['call']!r} within {self._timeout_seconds:g} s"
            raise TransientError(f"{self._server} {waited}", RETRY_IN) from None
        except ChildGone:
            self._drop_child()
            raise
        if answer is None:
            words = child.last_words() or "it said nothing"
            self._drop_child()
            raise ChildGone(f"the child that talks to MLflow died: {words}", taken=True)
        return answer

    def _living_child(self) -> LineChild:
        if self._interrupted:
            raise Interrupted("MLflow is not asked any more: the daemon stops")
        if self._child is not None and not self._child.alive:
            self._drop_child()
        if self._child is None:
            # A queue of its own: what an earlier child still says must not be taken for an answer.
            self._answers = answers = queue.SimpleQueue[Json | None]()
            self._scratch = tempfile.mkdtemp(prefix="ctrain-registry-")
            self._child = LineChild(
                child_command(self._python, "registry", str(self._idle_seconds), self._scratch),
                self._environ,
                on_message=answers.put,
                on_exit=lambda: answers.put(None),
            )
        return self._child

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = ""
