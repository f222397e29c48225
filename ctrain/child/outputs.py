"""From what a model answers to one score a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from ctrain.child.models import LoadedModel

POSITIVE = ("1", "1.0", "True", "true")
"""How the positive class of a binary task is written."""
NEGATIVE = ("0", "0.0", "False", "false")
MEANING: Mapping[str, bool] = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "0.0", "-1", "false", "f", "no", "n", "off"), False),
}
"""Which of the two classes of a binary task a name stands for, in small letters."""
ROUNDING = 1e-6
"""How far outside [0, 1] a probability may be, as it is where losses are made of them."""

ROUNDED = 0.01
"""How far from 1 the probabilities of a row may add up, for each class: they may be given in percent."""


class AnswerUnfit(ValueError):
    """What the model answers is nothing that the task has, whichever rows it is asked."""


@dataclass(frozen=True)
class Scores:
    """``values`` has one entry a row, or one row of class probabilities a row; NaN: no score.

    ``kind`` says what the model gave: ``probability``, ``class`` or ``value``.
    """

    values: npt.NDArray[np.float64]
    kind: str
    classes: tuple[str, ...] = ()


def predict_scores(model: LoadedModel, frame: pd.DataFrame, task: str, output: str) -> Scores:
    """Scores of every row of ``frame``.

    Raises
    ------
    AnswerUnfit
        when the answer does not fit the task: the wrong number of columns, several outputs,
        "probabilities" outside [0, 1] or not of one whole, or two classes of which none is known
        to be class 1.
    ValueError
        when the answer is for another number of rows.
    """
    import numpy as np

    answer, classes, by_probability = _ask(model, frame, task, output)
    values = _as_array(answer)
    if len(values) != len(frame):
        raise ValueError(f"the model answered {len(values)} rows to {len(frame)}")
    if values.ndim == 2 and values.shape[1] == 1 and not by_probability:
        values = values[:, 0]
    if task == "regression":
        return Scores(_single(values).astype(np.float64), "value")
    classes = names_of(answer) or classes
    if values.ndim == 1:
        _require_no_labels(values, task, output)
        return _binary_column(values, output) if task == "binary" else _from_labels(values, classes)
    return _from_probabilities(values.astype(np.float64), task, classes)


def class_name(value: Any) -> str:
    """The class as labels are written in the row log: whole numbers without a point, true and false small."""
    value = getattr(value, "item", lambda: value)()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def join_scores(parts: Sequence[Scores]) -> Scores:
    """The scores of all parts below each other; a class that a part does not name has probability 0 there."""
    import numpy as np

    first = parts[0]
    if all(part.classes == first.classes for part in parts):
        return Scores(np.concatenate([part.values for part in parts]), first.kind, first.classes)
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    values = np.zeros((sum(len(part.values) for part in parts), len(classes)))
    start = 0
    for part in parts:
        columns = [classes.index(name) for name in part.classes]
        values[start : start + len(part.values), columns] = part.values
        start += len(part.values)
    return Scores(values, first.kind, classes)


def _ask(model: LoadedModel, frame: pd.DataFrame, task: str, output: str) -> tuple[Any, list[str], bool]:
    """The answer, the classes of its columns as far as known, and whether it is ``predict_proba``'s."""
    classes = [class_name(one) for one in model.classes or ()]
    frame = frame.copy()  # a model may change what it is given
    wants_probability = task != "regression" and output in {"auto", "probability"}
    if model.estimator is None:
        return model.pyfunc.predict(frame), classes, False
    if wants_probability and hasattr(model.estimator, "predict_proba"):
        return model.estimator.predict_proba(frame), classes, True
    if wants_probability and output == "probability":
        raise AnswerUnfit(
            f"{type(model.estimator).__name__} gives no probabilities; set model.output to auto or class"
        )
    return model.estimator.predict(frame), classes, False


def _as_array(answer: Any) -> Any:
    import numpy as np

    if isinstance(answer, list) and answer and isinstance(answer[0], np.ndarray):
        raise AnswerUnfit("the model has several outputs: multi-output models are not supported")
    values = answer.to_numpy() if hasattr(answer, "to_numpy") else np.asarray(answer)
    if values.ndim not in {1, 2}:
        raise AnswerUnfit(f"the model answers in {values.ndim} dimensions; one score a row is needed")
    return values


def names_of(answer: Any) -> list[str]:
    """Column names of a data frame of several columns, which name its classes."""
    columns: Sequence[Any] = getattr(answer, "columns", ())
    return [class_name(one) for one in columns] if len(columns) > 1 else []


def _require_no_labels(values: Any, task: str, output: str) -> None:
    """Raise when probabilities are asked for, and these are labels; a probability may be 0 or 1, too."""
    if output != "probability":
        return
    words = {one for one in (*POSITIVE, *NEGATIVE) if one.isalpha()}
    named = values.dtype.kind in "OUS" and any(str(one) in words for one in values)
    if task == "multiclass" or values.dtype.kind in "iub" or named:
        raise AnswerUnfit(
            f"the model answers with labels, such as {values[0]}, and no probabilities; set model.output to "
            "auto or class"
        )


def _single(values: Any) -> Any:
    if values.ndim != 1:
        raise AnswerUnfit(
            f"the model has {values.shape[1]} outputs a row; multi-output models are not supported"
        )
    return values


def _binary_column(values: Any, output: str) -> Scores:
    """A column for a binary task: labels 0 and 1, or probabilities of the positive class."""
    import numpy as np

    given = _named_truth(values) if values.dtype.kind in "OUS" else values.astype(np.float64)
    numbers = _in_range(given)
    is_class = bool(np.isin(numbers[~np.isnan(numbers)], (0.0, 1.0)).all())
    if output == "class" and not is_class:
        numbers = np.where(np.isnan(numbers), np.nan, (numbers > 0.5).astype(np.float64))
    return Scores(numbers, "class" if is_class or output == "class" else "probability")


def _named_truth(values: Any) -> npt.NDArray[np.float64]:
    """Numbers from labels or probabilities that are written out; NaN where there is none."""
    import numpy as np
    import pandas as pd

    text = np.array([str(one) for one in values], dtype=object)
    numbers = np.array(pd.to_numeric(pd.Series(text), errors="coerce"), dtype=np.float64)
    numbers[np.isin(text, POSITIVE)] = 1.0
    numbers[np.isin(text, NEGATIVE)] = 0.0
    unknown = text[np.isnan(numbers) & ~np.asarray(pd.isna(values), dtype=bool) & (text != "nan")]
    if len(unknown):
        raise AnswerUnfit(f"the model answers with {unknown[0]!r}; a binary task has the classes 0 and 1")
    return numbers


def _in_range(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The probabilities, freed of rounding."""
    import numpy as np

    finite = numbers[~np.isnan(numbers)]
    if finite.size and (finite.min() < -ROUNDING or finite.max() > 1 + ROUNDING):
        raise AnswerUnfit(f"scores between {finite.min():g} and {finite.max():g} are no probabilities")
    return np.clip(numbers, 0.0, 1.0)


def _from_probabilities(values: npt.NDArray[np.float64], task: str, classes: list[str]) -> Scores:
    values = _in_range(values)
    _require_shares(values)
    if task == "multiclass":
        if len(classes) == 1:  # scikit-learn's boosting answers with a second column then, of no class
            values = values[:, :1]
        names = classes if len(classes) == values.shape[1] else [str(one) for one in range(values.shape[1])]
        if len(set(names)) < len(names):
            raise AnswerUnfit(f"the model has several classes of one name: {', '.join(names)}")
        return Scores(values, "probability", tuple(names))
    if values.shape[1] > 2:
        raise AnswerUnfit(f"the model answers with {values.shape[1]} classes; a binary task has two")
    return Scores(_of_class_1(values, classes), "probability")


def _require_shares(values: npt.NDArray[np.float64]) -> None:
    """Raise when rows do not add up to 1; one of zeros alone, as one-against-the-rest may give, is let be."""
    import numpy as np

    width, sums = values.shape[1], values.sum(axis=1)
    wrong = sums[(sums > 0) & (np.abs(sums - 1) > ROUNDED * width)]
    if width > 1 and wrong.size:
        raise AnswerUnfit(
            f"the {width} numbers of a row add up to {wrong[0]:g}: they are no probabilities of classes, of "
            "which one comes true; models of several outputs are not supported"
        )


def _of_class_1(values: npt.NDArray[np.float64], classes: list[str]) -> npt.NDArray[np.float64]:
    """The probability of class 1 of two, which their names tell; without names it is the second."""
    import numpy as np

    meant = [MEANING.get(name.lower()) for name in classes]
    if len(meant) == 1 and meant[0] is not None:
        return np.full(len(values), float(meant[0]))
    if len(meant) == values.shape[1] and set(meant) == {False, True}:
        return values[:, meant.index(True)]
    if not classes and values.shape[1] == 2:
        return values[:, 1]
    raise AnswerUnfit(
        f"which class is 1 cannot be told by the names {', '.join(map(repr, classes)) or '(none)'}: let the "
        "model call them 0 and 1, or answer with the probability of class 1 alone; model.task multiclass "
        "compares classes by their names"
    )


def _from_labels(values: Any, classes: list[str]) -> Scores:
    """Certainty for the class that was named; classes that nobody declared are those seen here."""
    import numpy as np
    import pandas as pd

    labels = np.array([class_name(one) for one in values], dtype=object)
    absent = np.asarray(pd.isna(values), dtype=bool)
    names = np.array(list(dict.fromkeys([*classes, *sorted(set(labels[~absent]))])), dtype=object)
    certain = (labels[:, np.newaxis] == names).astype(np.float64)
    certain[absent] = np.nan
    return Scores(certain, "class", tuple(names))
