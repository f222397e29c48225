"""What a registered model is that ctrain did not train: loads it, tries a row, prints one JSON line."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from typing import TYPE_CHECKING, Any

from ctrain.child.frames import signature_frame
from ctrain.child.models import LOG_A_SIGNATURE, NotFetched

if TYPE_CHECKING:
    import pandas as pd

    from ctrain.child.models import LoadedModel

STAND_IN = {"string": "", "boolean": False, "datetime": "2000-01-01"}
TRIED_ROWS = 3


def main(arguments: list[str]) -> int:
    (source,) = arguments
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the model prints is no answer
    try:
        report = examine(source)
    except NotFetched as error:
        traceback.print_exc(file=sys.stderr)
        report = {"loads": False, "message": str(error)}
    except Exception as error:  # noqa: BLE001 - a model may fail to load in any way; that is the answer
        traceback.print_exc(file=sys.stderr)
        report = {"loads": False, "message": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(report, default=str) + "\n")
    answers.close()
    return 0


def examine(source: str) -> dict[str, Any]:
    """Digest, flavours, columns, and what the model answers to rows of its own shape."""
    from ctrain.child.models import load_model
    from ctrain.child.outputs import class_name

    model = load_model(source, None)
    try:
        flavor = model.pyfunc.metadata.flavors["python_function"]
        report = {
            "loads": True,
            "message": "",
            "digest": model.digest,
            "flavour": "sklearn" if "sklearn" in model.flavors else "pyfunc",
            "loader": flavor.get("loader_module", ""),
            "python_version": flavor.get("python_version", ""),
            "columns": [[str(name), kind, required] for name, kind, required in model.columns],
            "classes": [class_name(one) for one in model.classes or ()],
        }
        return report | _try_rows(model)
    finally:
        shutil.rmtree(model.folder, ignore_errors=True)


def _try_rows(model: LoadedModel) -> dict[str, Any]:
    try:
        frame = _example(model)
        if frame is None:
            message = "the model has no signature and no example: nothing says which columns it wants"
            return {"predicts": False, "output_kind": "", "message": f"{message}; {LOG_A_SIGNATURE}"}
        kind, width, names = _kind_of_output(model, frame)
    except Exception as error:  # noqa: BLE001 - see main
        traceback.print_exc(file=sys.stderr)
        return {"predicts": False, "output_kind": "", "message": f"{type(error).__name__}: {error}"}
    found = {"predicts": True, "output_kind": kind, "outputs": width}
    return {**found, "classes": names} if names else found


def _example(model: LoadedModel) -> pd.DataFrame | None:
    """The example stored with the model where it has named columns, else rows of stand-in values.

    Raises
    ------
    ValueError
        when it wants columns that no row can have.
    """
    import pandas as pd
    import pyarrow as pa

    table = pa.table({str(name): [STAND_IN.get(kind, 0.0)] * TRIED_ROWS for name, kind, _ in model.columns})
    frame, _ = signature_frame(table, model.columns)
    example = model.pyfunc.input_example
    if isinstance(example, pd.DataFrame):
        return example.head(TRIED_ROWS)
    return frame if model.columns else None


def _kind_of_output(model: LoadedModel, frame: pd.DataFrame) -> tuple[str, int, list[str]]:
    """``probability``, ``class`` or ``value``, the number of outputs a row, and what names them."""
    import numpy as np

    from ctrain.child.outputs import names_of

    if model.estimator is not None:
        if hasattr(model.estimator, "predict_proba"):
            return "probability", int(np.shape(model.estimator.predict_proba(frame))[1]), []
        model.estimator.predict(frame)
        return ("class" if model.classes is not None else "value"), 1, []
    given = model.pyfunc.predict(frame)
    answer = np.asarray(given)
    width = answer.shape[1] if answer.ndim == 2 else 1
    if answer.dtype.kind not in "fc":
        return "class", width, []
    if width > 1 and np.allclose(answer.sum(axis=1), 1.0):
        return "probability", width, names_of(given)
    return "value", width, []
