"""The register of sources: a new one is a file in `ingest.sources` and a line here."""

from contextlib import suppress
from pathlib import Path

from power_nowcast.errors import ConfigurationError, DataError
from power_nowcast.ingest.options import check_forms
from power_nowcast.ingest.published import Request, Source
from power_nowcast.ingest.sources.caiso import Caiso
from power_nowcast.ingest.sources.elia import Elia
from power_nowcast.ingest.sources.entsoe import Entsoe
from power_nowcast.ingest.sources.files import Files
from power_nowcast.ingest.sources.gridstatus import Gridstatus
from power_nowcast.ingest.sources.meteostat import Meteostat
from power_nowcast.ingest.sources.nws import Nws
from power_nowcast.ingest.sources.nyiso import NyisoArchives
from power_nowcast.ingest.sources.nyiso_live import NyisoLive
from power_nowcast.ingest.sources.replay import REPLAY, Replay
from power_nowcast.ingest.sources.sample import Sample
from power_nowcast.regions import Region, SourceSpec

SOURCES: dict[str, Source] = {
    "sample": Sample(),
    "nyiso": NyisoArchives(),
    "files": Files(),
    "nyiso_live": NyisoLive(),
    "caiso": Caiso(),
    "elia": Elia(),
    "nws": Nws(),
    "gridstatus": Gridstatus(),
    "entsoe": Entsoe(),
    "meteostat": Meteostat(),
    REPLAY: Replay(),
}


def source_of(region: Region, spec: SourceSpec) -> Source:
    """The kind of source that a table's rows come from.

    Raises:
        ConfigurationError: there is none of this name, or an option has a form that no source reads.
    """
    if spec.source not in SOURCES:
        raise ConfigurationError(
            f"{region.name}: there is no source {spec.source!r}.",
            remedy=f"Use one of: {', '.join(SOURCES)}.",
            region=region.name,
            source=spec.source,
        )
    check_forms(region, spec)
    return SOURCES[spec.source]


def reads_files(region: Region) -> bool:
    """Whether one of the region's sources can read a folder that the caller names."""
    return any(source_of(region, spec).reads_files for spec in region.specs.values())


def check_sources(region: Region) -> None:
    """Check that every source of a region exists, and takes its options.

    Raises:
        ConfigurationError: a source is unknown, or an option is missing, unknown or wrong.
    """
    for table, spec in region.specs.items():
        source_of(region, spec).check(Request(region, table, spec))


def check_ready(region: Region, place: Path | None = None) -> None:
    """Check, before a region is followed, that each source has what it needs: options, a contact, a key, its library.

    Nothing is read: a server that is down now may answer later.

    Raises:
        ConfigurationError: something is missing or wrong.
    """
    for table, spec in region.specs.items():
        with suppress(DataError):
            next(iter(source_of(region, spec).deliveries(Request(region, table, spec, place=place))), None)


def with_source(region: Region, source: str, **options: object) -> Region:
    """The region with all of its tables from another source."""
    changed = {
        table.value: spec.model_copy(update={"source": source, "options": {**spec.options, **options}})
        for table, spec in region.specs.items()
    }
    return region.model_copy(update=changed)
