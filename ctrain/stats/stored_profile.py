"""A profile as a file: with its grid, the types of the columns, and where the rows came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from ctrain.stats.grid import Grid
from ctrain.stats.packing import pack, unpack
from ctrain.stats.profile import Profile
from ctrain.stats.raw import Kind

MAGIC = b"ctrain-stored-profile-"
_KIND = MAGIC + b"1\n"


class ColumnType(NamedTuple):
    """What a column was in the data: a change of kind is a change of type."""

    kind: Kind
    type: str


@dataclass(frozen=True, slots=True)
class EventTimes:
    """The column of the event time, and its first and last value in ISO 8601."""

    column: str
    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True, eq=False)
class StoredProfile:
    """A profile that can be compared without the rows it was made of.

    ``types`` has every column of the data, in order, also those that the grid does not count;
    ``left_out`` tells why drift tests leave a column out.
    """

    grid: Grid
    profile: Profile
    types: Mapping[str, ColumnType]
    left_out: Mapping[str, str]
    sources: tuple[str, ...]
    created_by: str
    event_times: EventTimes | None = None

    def to_bytes(self) -> bytes:
        """Return a compact versioned form."""
        header = {
            "grid": self.grid.to_json(),
            "types": {name: list(found) for name, found in self.types.items()},
            "left_out": dict(self.left_out),
            "sources": list(self.sources),
            "created_by": self.created_by,
            "event_times": asdict(self.event_times) if self.event_times else None,
        }
        return pack(_KIND, header, [np.frombuffer(self.profile.to_bytes(), dtype=np.uint8).astype(np.int64)])

    @classmethod
    def from_bytes(cls, content: bytes) -> StoredProfile:
        """Return the profile that ``to_bytes`` wrote; raises ValueError for anything else."""
        header, (profile,) = unpack(_KIND, content)
        return cls(
            grid=Grid.from_json(header["grid"]),
            profile=Profile.from_bytes(profile.astype(np.uint8).tobytes()),
            types={name: ColumnType(Kind(kind), type_) for name, (kind, type_) in header["types"].items()},
            left_out=header["left_out"],
            sources=tuple(header["sources"]),
            created_by=header["created_by"],
            event_times=EventTimes(**header["event_times"]) if header["event_times"] else None,
        )
