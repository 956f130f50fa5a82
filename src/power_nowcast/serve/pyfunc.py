"""The nowcaster behind MLflow's model interface: `mlflow models serve` and `mlflow.pyfunc` run this file as it is.

It is logged as code, so it imports everything by the package's name and keeps no state but the bundle.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import polars as pl
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import MEDIAN
from power_nowcast.errors import NowcastError, SourceFormatError
from power_nowcast.features.rows import from_rows, parsed_times
from power_nowcast.live.nowcaster import Nowcast, Nowcaster
from power_nowcast.scoring import label
from power_nowcast.serve.screen import screen


class NowcastModel(PythonModel):
    """Takes wide rows of recent observations, returns quantiles: one row a series and step."""

    nowcaster: Nowcaster

    def load_context(self, context: PythonModelContext) -> None:
        """Load the native files with the installed package.

        The model's configuration holds the digest under which the bundle was registered; `mlflow.pyfunc.load_model`
        takes another one as `model_config={"digest": ...}`.

        Raises:
            ArtifactDigestError: the bundle is another one, or damaged.
        """
        digest = (context.model_config or {}).get("digest")
        bundle = Bundle.load(Path(context.artifacts["bundle"]), None if digest is None else str(digest))
        bundle.check()
        self.nowcaster = Nowcaster(bundle)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow passes it by position
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Answer rows that `features.rows.from_rows` reads.

        `params` holds `issue_time` (ISO UTC, empty: the last row with an observation) and `horizon` (minutes, 0: all).

        Raises:
            MlflowException: with INVALID_PARAMETER_VALUE, which the server answers as 400.
        """
        asked = params or {}
        try:
            return self._answer(model_input, str(asked.get("issue_time") or ""), int(asked.get("horizon") or 0))
        except NowcastError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error

    def _answer(self, rows: pd.DataFrame, issue_time: str, horizon: int) -> pd.DataFrame:
        region = self.nowcaster.bundle.region
        if horizon:
            region.check_horizon(horizon)
        sent = parsed_times(_to_polars(rows))
        issue = _issue_time(issue_time) if issue_time else None
        screened, flags = screen(region, sent, datetime.now(UTC), issue=issue)
        panel = from_rows(region, screened, until=issue)
        answer = self.nowcaster.nowcast(panel, panel.end if issue is None else issue, flags=flags)
        frame = to_frame(answer)
        return frame[frame["horizon_min"] == horizon].reset_index(drop=True) if horizon else frame


def to_frame(answer: Nowcast) -> pd.DataFrame:
    """A nowcast as rows of series and step; times in ISO UTC, None for a series without an answer."""
    series, steps = len(answer.series), len(answer.steps_minutes)
    flat = answer.values.reshape(series * steps, -1)
    horizon = np.tile(np.array(answer.steps_minutes, np.int64), series)
    valid = answer.issue_time + horizon.astype("timedelta64[m]")
    columns: dict[str, Any] = {
        "series": np.repeat(np.array(answer.series, object), steps),
        "issue_time": f"{answer.issue_time}:00Z",
        "valid_at": [f"{time}:00Z" for time in valid.astype(str)],
        "horizon_min": horizon,
        "yhat": flat[:, MEDIAN],
        **{f"q{label(level)}": flat[:, i] for i, level in enumerate(answer.quantiles)},
        "model_digest": answer.model_digest,
        "calibration_id": answer.calibration_id,
        "quality": np.repeat(np.array([str(quality) for quality in answer.quality], object), steps),
        "flags": "; ".join(answer.flags),
    }
    frame = pd.DataFrame(columns)
    for name in frame.columns[frame.isna().any()]:
        # MLflow's server would write NaN, which is no JSON; None becomes null.
        frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    return frame


def _to_polars(rows: pd.DataFrame) -> pl.DataFrame:
    """Convert column by column: this needs no pyarrow, NaN and None become null, and integers become numbers.

    Raises:
        SourceFormatError: a column occurs twice, or holds other values than numbers.
    """
    if repeated := [str(name) for name in rows.columns[rows.columns.duplicated()]]:
        raise SourceFormatError(
            f"The rows have the column {repeated[0]} twice.", remedy="Send it once.", columns=repeated
        )
    columns = {}
    for name in rows.columns:
        column = rows[name]
        if name == "valid_at":
            columns[name] = pl.Series(name, [_stamp(value) for value in column], dtype=pl.String)
        else:
            columns[str(name)] = pl.Series(str(name), _numbers(column, str(name))).fill_nan(None)
    return pl.DataFrame(columns)


def _numbers(column: pd.Series, name: str) -> NDArray[np.float64]:
    # pandas would turn text and times into numbers, too.
    kinds = pd.api.types
    try:
        if kinds.is_object_dtype(column) and not column.map(lambda value: isinstance(value, str | bool)).any():
            column = pd.to_numeric(column)
        if kinds.is_numeric_dtype(column) and not kinds.is_bool_dtype(column):
            return np.asarray(column.to_numpy(np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        pass
    raise SourceFormatError(f"Column {name}: not every value is a number.", remedy="Send MW as numbers.", column=name)


def _stamp(value: Any) -> str | None:
    """A time as ISO text. A time of pandas, NumPy or Python without a time zone is in UTC, as is their custom. Text has
    to state its offset.
    """
    if isinstance(value, datetime | np.datetime64):
        time = pd.Timestamp(value)
        value = time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")
        return None if pd.isna(time) else str(value.isoformat())
    return None if pd.isna(value) else str(value)


def _issue_time(text: str) -> np.datetime64:
    try:
        time = pd.Timestamp(text)
    except ValueError:
        time = None
    if time is None or time.tz is None:
        raise SourceFormatError(
            f"The issue time {text!r} is no ISO time with an offset.",
            remedy="Write it as 2019-06-30T23:55:00Z, or leave it empty for the last observation.",
            issue_time=text,
        )
    # Rounded down: nothing of the minutes after the issue time is used.
    return np.datetime64(time.tz_convert("UTC").tz_localize(None).floor("min").to_datetime64(), "m")


mlflow.models.set_model(NowcastModel())
