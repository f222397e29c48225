"""What keeps the daemon small keeps it at work."""

from __future__ import annotations

import os
import subprocess
import sys

from ctrain.app.memory import ARENAS

SCRIPT = """
import sys
from ctrain.app.memory import release_memory, stay_small

stay_small()
import pyarrow as pa

table = pa.schema([("a", pa.string())]).empty_table()
assert pa.concat_tables([table, pa.table({"a": ["x"]})]).num_rows == 1
assert pa.default_memory_pool().backend_name == "system"
release_memory()
assert "pandas" not in sys.modules
try:
    import pandas
except ModuleNotFoundError as error:
    print(error)
"""


def test_arrow_works_without_pandas_and_on_the_memory_of_the_c_library() -> None:
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("this command does without pandas\n", "")


THREADS = """
import ctypes
import sys
import threading
from ctrain.app.memory import stay_small

stay_small()
libc, together = ctypes.CDLL(None), threading.Barrier(8)

def take() -> None:
    together.wait()
    libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=take) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
libc.malloc_stats()
"""


def test_threads_share_few_arenas() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    found = subprocess.run(
        [sys.executable, "-c", THREADS], env=environ, capture_output=True, text=True, check=True
    )
    assert 1 <= found.stderr.count("Arena ") <= ARENAS


LARGE = """
import ctypes
from ctrain.app.memory import LONE_BYTES, stay_small

class Facts(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

stay_small()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes, libc.mallinfo2.restype = ctypes.c_void_p, [ctypes.c_void_p], Facts
libc.free(libc.malloc(16 * LONE_BYTES))  # the C library takes this for a size that is asked for often
before = libc.mallinfo2().hblks
pieces = [libc.malloc(LONE_BYTES) for _ in range(1000)]  # more than there is room for in gaps
print(libc.mallinfo2().hblks - before > 900)
for one in pieces:
    libc.free(one)
print(libc.mallinfo2().hblks - before)
"""


def test_large_pieces_of_memory_go_back_to_the_system_at_once() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    found = subprocess.run(
        [sys.executable, "-c", LARGE], env=environ, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["True", "0"]
