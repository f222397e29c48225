"""What keeps the daemon small keeps it at work."""

from __future__ import annotations

import subprocess
import sys

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
