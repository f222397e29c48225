"""Whether the workers of a dask cluster have what the daemon has: they run the same children.

Without ctrain nothing that is asked of a worker can be done there, without mlflow and pyarrow no child can
work; other versions of them, or of Python, write models and files that may not be readable here.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

PACKAGES = ("ctrain", "mlflow", "pyarrow")
PYTHON = "python"
ABSENT = ""
WHOLE = "ctrain"
"""Of this every digit counts: the daemon and the children of workers write for one another."""
SIGNIFICANT = 2
"""So many numbers of other versions count."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """What a worker has otherwise than the daemon; ``there`` is empty when it lacks it."""

    place: str
    package: str
    here: str
    there: str

    @classmethod
    def told(cls, content: Mapping[str, str]) -> Difference:
        """The difference that ``as_told`` has written."""
        return cls(**content)

    def as_told(self) -> dict[str, str]:
        return asdict(self)

    def __str__(self) -> str:
        if self.there == ABSENT:
            return f"{self.place} has no {self.package}; the daemon has {self.here}"
        return f"{self.place} has {self.package} {self.there}, the daemon {self.here}"


def installed() -> dict[str, str]:
    """Versions of this interpreter and its packages; empty where there is none. Run by workers, too."""
    return {PYTHON: platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def differences(here: Mapping[str, str], places: Mapping[str, Any]) -> list[Difference]:
    """What counts of how each place differs from here, in order; a place has told its versions, or an error.

    dask tells the error as text: that a module was not found means that it could not import this one.
    """
    found: list[Difference] = []
    for place, there in places.items():
        if isinstance(there, Mapping):
            had = {name: there.get(name, ABSENT) for name in here}
            found += [
                Difference(place, name, here[name], had[name]) for name in had if _counts(name, here, had)
            ]
        elif "ModuleNotFoundError" in repr(there):
            found.append(Difference(place, WHOLE, here[WHOLE], ABSENT))
    return sorted(found)


class Workers:
    """What the workers of a cluster have; each is asked once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._here = installed()
        self._workers: dict[str, Any] = {}
        self._told: list[Difference] = []

    def news(self) -> list[Difference] | None:
        """How all that live differ from here; None while that is what was said before.

        Raises what dask does when the scheduler is gone.
        """
        living = set(self._client.nthreads())
        known = {place: had for place, had in self._workers.items() if place in living}
        self._workers = known | self._ask(living - known.keys())
        found = differences(self._here, self._workers)
        if found == self._told:
            return None
        self._told = found
        return found

    def _ask(self, workers: Iterable[str]) -> dict[str, Any]:
        """The versions of each, or what it raises; one that is lost meanwhile has no answer."""
        asked = list(workers)
        if not asked:
            return {}
        answers: dict[str, Any] = self._client.run(installed, workers=asked, on_error="return")
        return answers


def unfit(client: Client) -> list[Difference]:
    """Why functions of ctrain cannot be sent as they are: workers and scheduler must unpickle them."""
    assert client.scheduler is not None
    place = f"the scheduler {client.scheduler.address}"
    try:
        found = differences(installed(), {place: client.run_on_scheduler(installed)})
    except Exception as error:  # noqa: BLE001 - whatever it raises there is its answer
        found = differences(installed(), {place: error})
    found += Workers(client).news() or []
    return [one for one in found if one.package == WHOLE or one.there == ABSENT]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ABSENT


def _counts(name: str, here: Mapping[str, str], there: Mapping[str, str]) -> bool:
    digits = None if name == WHOLE else SIGNIFICANT
    return here[name].split(".")[:digits] != there[name].split(".")[:digits]
