"""A program in the place of the interpreter that trains: what launchers see of a child, in milliseconds."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = '''#!{python} -IS
"""Does what job.json says as the parameter ``do``, with the lock and the files of a real child."""

import fcntl, json, os, signal, sys, time

_, role, folder = sys.argv[1:]
assert role == "train"
at = lambda name: os.path.join(folder, name)


def write(name, content):
    with open(at(name + ".partial"), "w") as file:
        json.dump(content, file)
    os.replace(at(name + ".partial"), at(name))


lock = open(at("job.lock"), "ab")
fcntl.lockf(lock, fcntl.LOCK_EX)
if any(os.path.exists(at(name)) for name in ("job.state.json", "result.json", "job.ended.json")):
    sys.exit(75)
with open(at("starts"), "a") as starts:
    starts.write(str(os.getpid()) + "\\n")
print("about to", flush=True)
do = json.load(open(at("job.json")))["context"]["params"]["do"]
write("job.state.json", {{"pid": os.getpid(), "started_at": time.time()}})
if do == "wait":
    with open(at("go")) as gate:  # a pipe with a name: this waits until somebody opens its other end
        gate.read()
if do == "vanish":
    os.kill(os.getpid(), signal.SIGKILL)
if do == "fail":
    write("result.json", {{"error": "no such luck"}})
    sys.exit(1)
seen = {{"uri": os.environ["MLFLOW_TRACKING_URI"], "threads": os.environ["OMP_NUM_THREADS"]}}
write("result.json", {{"version": "1", **seen}})
'''


def write_program(path: Path) -> str:
    """The interpreter to name as ``train.python``."""
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)
