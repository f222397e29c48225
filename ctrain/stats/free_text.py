"""Free text as numbers: statistics of a string that hold in any language and script."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class TextStatistic(StrEnum):
    """What is measured of a string; a derived column is called ``COLUMN.STATISTIC``."""

    LENGTH = "length"
    """Characters."""
    WORDS = "words"
    """Runs of characters between white space."""
    DIGITS = "digits"
    """Share of characters that are decimal digits of any script."""
    UPPER = "upper"
    """Share of characters that are upper-case letters."""
    PUNCTUATION = "punctuation"
    """Share of characters that are punctuation."""
    WHITESPACE = "whitespace"
    """Share of characters that are white space or separators."""
    NON_ASCII = "non_ascii"
    """Share of characters outside ASCII."""


_PATTERNS = {
    TextStatistic.WORDS: r"[^\s\p{Z}]+",
    TextStatistic.DIGITS: r"\p{Nd}",
    TextStatistic.UPPER: r"\p{Lu}",
    TextStatistic.PUNCTUATION: r"\p{P}",
    TextStatistic.WHITESPACE: r"[\s\p{Z}]",
    TextStatistic.NON_ASCII: r"[^\x00-\x7f]",
}


def measure_text(values: pa.ChunkedArray[Any], statistic: TextStatistic) -> NDArray[np.float64]:
    """Return a statistic of each string, NaN for null; every share of an empty string is 0.

    >>> texts = pa.chunked_array([["Room 12, ok", "", None]])
    >>> measure_text(texts, TextStatistic.WORDS)
    array([ 3.,  0., nan])
    >>> measure_text(texts, TextStatistic.DIGITS).round(3)
    array([0.182, 0.   ,   nan])
    """
    length = _floats(pc.utf8_length(values))
    if statistic is TextStatistic.LENGTH:
        return length
    found = _floats(pc.count_substring_regex(values, pattern=_PATTERNS[statistic]))
    return found if statistic is TextStatistic.WORDS else found / np.maximum(length, 1.0)


def _floats(counts: pa.ChunkedArray[Any]) -> NDArray[np.float64]:
    return np.asarray(pc.cast(counts, pa.float64()).to_numpy(), dtype=np.float64)
