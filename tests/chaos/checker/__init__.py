"""What ctrain promises, proved from the database, MLflow's tables and the input files alone.

Nothing here imports ctrain: tables are read with SQL, segments with pyarrow, and every rule is written
down once more, from the promises and not from the code that keeps them.
"""

from tests.chaos.checker.evidence import Evidence, Limits
from tests.chaos.checker.promises import broken_promises

__all__ = ["Evidence", "Limits", "broken_promises"]
