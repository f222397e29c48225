"""The ``model``, ``data`` and ``reference`` parts of a policy: what is watched, and beside what."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, Tag

from ctrain.domain import Task
from ctrain.policy.fields import (
    Duration,
    Frozen,
    Name,
    PositiveDuration,
    Size,
    Text,
    Zone,
    matches,
    variant_by_key,
    variant_by_type,
)
from ctrain.policy.metrics import Metric

OWN_COLUMNS = frozenset({"row_id", "event_at", "late", "prediction", "model_version", "label"})
"""Columns of the row log; those that begin with ``score:`` are, too."""


def is_own_column(name: str) -> bool:
    """True for a name that the row log uses for a column of its own."""
    return name in OWN_COLUMNS or name.startswith("score:")


class Aliases(Frozen):
    """Names of the aliases in the registry, where other names than the usual ones are in use."""

    champion: Name = "champion"
    """Alias of the version that production serves."""
    challenger: Name = "challenger"
    """Alias of the version that a run has trained."""
    previous_champion: Name = "previous_champion"
    """Alias of the version that a rollback goes back to."""


class ModelSpec(Frozen):
    """The registered model that the policy keeps fresh."""

    name: Annotated[
        str,
        *matches(
            r"""^(?!.*'.*"|.*".*')[^/:]{1,200}$""",
            "a name that MLflow takes and finds: at most 200 characters, no / or :, not both ' and \"",
        ),
    ]
    """Name of the registered model in MLflow."""
    task: Task
    """Kind of prediction."""
    metric: Metric
    """What "better" means: a loss that is a mean over rows; lower is better."""
    output: Literal["auto", "probability", "class", "value"] = "auto"
    """What the model returns; ``auto`` finds out."""
    aliases: Aliases = Aliases()
    """Alias names, where they differ from the usual ones; policies of one model share none of the three."""
    python: Text | None = None
    """Interpreter that scores with the model; default: ctrain's own."""


class FilesSource(Frozen):
    """Files that are added to a directory or match a glob; rows may be appended to CSV and JSON lines."""

    type: Literal["files"]
    """Kind of source."""
    path: Text
    """Directory or glob, relative to the folder of the policy file."""
    format: Literal["auto", "parquet", "csv", "jsonl"] = "auto"
    """What the files hold; ``auto`` goes by their names (.parquet, .csv, .jsonl, .ndjson; .gz, .zst)."""
    types: dict[Text, Literal["number", "text", "boolean", "instant"]] = Field(default_factory=dict)
    """Types of columns of CSV and JSON lines; others are inferred from the first file, then fixed."""


class PushSource(Frozen):
    """What production sends in batches to ``/v1/policies/NAME/rows`` or ``/labels``."""

    type: Literal["push"]
    """Kind of source."""
    max_unread: Annotated[Size, Field(ge=1)] = 10**9
    """Bytes on disk that may wait to be read; beyond, senders are told to come again later."""
    remember: Annotated[PositiveDuration, Field(ge=timedelta(hours=1))] = timedelta(days=7)
    """How long after it came a batch is known by its id: sent again in that time, it counts once."""


_FILES, _PUSH, _NONE = "<FilesSource>", "<PushSource>", "<None>"
_BY_TYPE = {"files": _FILES, "push": _PUSH}
Source = Annotated[
    Annotated[FilesSource, Tag(_FILES)] | Annotated[PushSource, Tag(_PUSH)], variant_by_type(_BY_TYPE)
]
OptionalSource = Annotated[
    Annotated[FilesSource, Tag(_FILES)] | Annotated[PushSource, Tag(_PUSH)] | Annotated[None, Tag(_NONE)],
    variant_by_type(_BY_TYPE, none=_NONE),
]


class LabelsSpec(Frozen):
    """Labels in a table of their own (``source``) or in the rows' (no ``source``)."""

    source: OptionalSource = None
    """Where labels come from, when not in the same table as the rows."""
    id: Text | None = None
    """Column of the labels' table that holds the row id; default: ``data.id``."""
    label: Text
    """Column that holds the label."""
    matures_after: Duration
    """How long after its event a row's label can be trusted."""
    absent_means: Literal["missing", 0] = "missing"
    """What a mature row without a label means: nothing known, or the label 0."""
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of mature rows that must have a label for a verdict on losses."""


class EventTime(Frozen):
    """When a row happened."""

    column: Text
    """Column that holds the instant: a timestamp, or a text of ISO 8601 or day.month.year."""
    timezone: Zone | None = None
    """IANA zone of instants without an offset; without it, such instants are errors."""


class Features(Frozen):
    """Columns that the model is fitted on."""

    numeric: tuple[Text, ...] = ()
    """Numbers."""
    categorical: tuple[Text, ...] = ()
    """Categories, as text."""
    boolean: tuple[Text, ...] = ()
    """True or false; the model gets 1 and 0."""
    date: tuple[Text, ...] = ()
    """Dates and instants; the model gets days since 1970-01-01."""
    text: tuple[Text, ...] = ()
    """Free text; drift is watched by its length and other statistics that need no language."""

    @property
    def by_kind(self) -> dict[str, tuple[str, ...]]:
        """The names of each kind, kinds in the order of ``names``; a kind without any has none."""
        return {
            "numeric": self.numeric,
            "categorical": self.categorical,
            "boolean": self.boolean,
            "date": self.date,
            "text": self.text,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Numeric features, then categorical, boolean, date and text ones."""
        return (*self.numeric, *self.categorical, *self.boolean, *self.date, *self.text)


class DataSpec(Frozen):
    """Where rows come from and what their columns mean."""

    source: Source
    """Where the rows that production served come from."""
    labels: LabelsSpec
    """Where their labels come from."""
    id: Text
    """Column that identifies a row; a repeated id is dropped."""
    event_time: EventTime
    """When a row happened."""
    prediction: Text | None = None
    """Column with the score that production gave; rows are scored again when absent."""
    model_version: Text | None = None
    """Column with the model version that served the row."""
    features: Features
    """Columns that the model is fitted on."""
    columns: dict[Text, Text] = Field(default_factory=dict)
    """Renames: the name used in this policy, then the column or nested field in the files."""
    pane: PositiveDuration
    """Slice of event time that is summarised once; monitors look once a pane."""
    allowed_lateness: Duration
    """How far behind the newest event time rows may arrive and still count in verdicts."""
    retention: PositiveDuration | None = None
    """How long rows are kept; default: as long as anything in the policy needs them."""


class LastWindow(Frozen):
    """The most recent stretch of event time."""

    last: PositiveDuration
    """Length of the window."""
    lag: Duration | None = None
    """How long before now the window ends; a reference ends before the current windows in any case."""


class ReferencePath(Frozen):
    """Rows of a file."""

    path: Text
    """Parquet, CSV or JSON lines, or a profile; relative to the folder of the policy file."""


class SameHours(Frozen):
    """The same hours of the day in recent weeks."""

    same_hours_last: PositiveDuration
    """Weeks that the same hours are taken from, local ones where data.event_time.timezone is given."""


class FromChampion(Frozen):
    """The rows that the champion was trained on."""

    from_: Literal["champion"] = Field(alias="from")
    """Follows the champion alias."""


Reference = Annotated[
    Annotated[FromChampion, Tag("<FromChampion>")]
    | Annotated[ReferencePath, Tag("<ReferencePath>")]
    | Annotated[LastWindow, Tag("<LastWindow>")]
    | Annotated[SameHours, Tag("<SameHours>")],
    variant_by_key(
        {
            "from": "<FromChampion>",
            "path": "<ReferencePath>",
            "last": "<LastWindow>",
            "same_hours_last": "<SameHours>",
        }
    ),
]
