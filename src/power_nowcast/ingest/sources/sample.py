"""The embedded sample: publishers' rows, parsed and packed. It passes the same checks as any other source."""

import io
from collections.abc import Iterator
from importlib.resources import files
from typing import ClassVar

import polars as pl
import pyarrow.parquet as pq

from power_nowcast.contracts import Received
from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.published import Delivery, Request, published
from power_nowcast.ingest.sources.nyiso import reports

STATION = "station"
"""Key of a file's metadata: its columns are reports of this station, as text."""


class Sample:
    """The files in `sample_data`; option `sample` names the region of the sample, by default the region itself."""

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check that the region has a sample."""
        next(self.deliveries(request))

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """The one file of a table.

        Raises:
            ConfigurationError: there is no sample of this region.
        """
        name = f"{request.spec.options.get('sample', request.region.name)}_{request.table.value}.parquet"
        file = files(__package__) / "sample_data" / name
        if not file.is_file():
            raise ConfigurationError(
                f"There is no sample {name}.",
                remedy="Give the region another source (nyiso, files) in its TOML.",
                region=request.region.name,
            )
        yield Delivery(f"sample/{name}", lambda: Received(file.read_bytes()), keep=False)

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:  # noqa: ARG002
        """The rows of a packed file."""
        return unpack(received.data)


def unpack(packed: bytes) -> pl.DataFrame:
    """Published rows of a packed file: `at` and `written` in seconds since 1970, one column a series.

    Numbers are whole, times the column's `scale` in the metadata, or stored as they are. A null of the power table is
    an empty cell of the publisher; in other tables it is no row.
    """
    table = pq.read_table(io.BytesIO(packed))
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    rows = pl.DataFrame(pl.from_arrow(table))
    at = pl.from_epoch("at", "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if station := metadata.get(STATION):
        stamps = rows.select(at.dt.strftime("%Y-%m-%d %H:%M:%S").alias("utc"), pl.exclude("at"))
        return reports(_numbers(stamps, metadata).with_columns(pl.exclude("utc").cast(pl.String)), station)
    index = [name for name in ("at", "written") if name in rows.columns]
    times = [at, *(pl.from_epoch(name, "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for name in index[1:])]
    long = _numbers(rows, metadata).with_columns(times).unpivot(index=index, variable_name="series", value_name="value")
    if metadata["empty"] == "published":
        return published(long.with_columns(text=pl.when(pl.col("value").is_null()).then(pl.lit(""))))
    return published(long.drop_nulls("value"))


def _numbers(rows: pl.DataFrame, metadata: dict[str, str]) -> pl.DataFrame:
    # NumPy's quotient is the double nearest to the decimal that the publisher wrote; Polars multiplies by the inverse.
    scaled = {name: int(metadata[f"scale.{name}"]) for name in rows.columns if f"scale.{name}" in metadata}
    return rows.with_columns(
        pl.Series(name, rows[name].cast(pl.Float64).to_numpy() / scale).fill_nan(None) for name, scale in scaled.items()
    )
