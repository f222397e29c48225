"""Tabular CUSUM of standardised values on one side or both.

With z in standard deviations from the baseline's mean and an allowance k::

    C+_t = max(0, C+_(t-1) + z_t - k),   C-_t = max(0, C-_(t-1) - z_t - k)

a change is detected when a sum is above the threshold, and both begin anew. These are the sums of
``PageHinkley`` with a first value that counts in full; what makes it another detector is the
allowance: half the change to be found soonest, where Page-Hinkley tolerates a small change for ever.

References
----------
Page, E. S. (1954). Continuous inspection schemes. Biometrika 41(1/2), 100-115.
Montgomery, D. C. (2009). Introduction to Statistical Quality Control, 6th edition, section 9.1.
"""

from __future__ import annotations

from ctrain.stats.detectors.page_hinkley import PageHinkley

ALLOWANCE = 0.25
"""Half a change of half a standard deviation, which is found soonest."""


class Cusum(PageHinkley):
    """Tabular CUSUM; ``delta`` is the allowance.

    >>> import numpy as np
    >>> from ctrain.stats.detectors.detection import Scale
    >>> detector = Cusum(Scale(0.0, 1.0), threshold=5, delta=0.5, direction="both")
    >>> [(found.index, found.rose) for found in detector.feed(np.repeat([0.0, 1.5, -1.5], 6))]
    [(11, True), (17, False)]
    """

    kind = "cusum"
    _lowest_at_first = (0.0, 0.0)
