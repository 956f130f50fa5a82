"""The errors that this package raises on purpose.

    NowcastError
    |-- ConfigurationError      a region file, a setting or an option is wrong
    |   |-- UnknownRegionError
    |   |-- UnknownSeriesError
    |   |-- UnknownHorizonError
    |   `-- UnknownCalibrationError
    |-- DataError               the data do not support an answer
    |   |-- SourceFormatError   a publisher's answer or a file does not have the agreed form
    |   |-- SourceUnavailableError  a publisher's server does not deliver
    |   |-- MissingDataError    there are no data for the question
    |   |-- HistoryError        too little history before the issue time
    |   |-- StaleDataError      the newest observation is too old
    |   `-- QualityError        the answer is worse than the caller accepts
    |-- StoreError              the tables cannot be read or written
    |   `-- WriterBusyError     another process holds the writer lease
    |-- ModelError              a model cannot be trained, saved or loaded
    |   |-- FormatVersionError
    |   `-- ArtifactDigestError
    |-- EngineError             the processes that work on blocks of zones fail
    `-- RegistryError           the MLflow server or registry refuses or fails
        |-- RegistryUnavailableError
        `-- PromotionRefusedError

Each error carries its fields as attributes and names a remedy, so that a command line, an API and a log can each
show it in their own way.
"""

from typing import ClassVar


def install_remedy(extra: str) -> str:
    """How the packages of an extra (aws, dask, grids, neural or server) are installed from a clone of this project."""
    choice = " NEURAL=1" if extra == "neural" else ""
    return f"In a clone of this project: make setup{choice}, or elsewhere: pip install '.[{extra}]'."


class NowcastError(Exception):
    """Base of all errors of this package.

    Args:
        message: what happened, in one sentence.
        remedy: what the reader can do about it, in one sentence.
        fields: the facts, each kept as an attribute (`error.region`) and in `error.fields`.
    """

    title: ClassVar[str] = "The nowcast could not be made"

    def __init__(self, message: str, *, remedy: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.fields = fields
        for name, value in fields.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send errors back by pickle, which calls the class with positional arguments only.
        return _rebuild, (type(self), self.message, self.remedy, self.fields)


def _rebuild(kind: type[NowcastError], message: str, remedy: str, fields: dict[str, object]) -> NowcastError:
    return kind(message, remedy=remedy, **fields)


class ConfigurationError(NowcastError):
    title = "Wrong configuration"


class UnknownRegionError(ConfigurationError):
    title = "Unknown region"


class UnknownSeriesError(ConfigurationError):
    title = "Unknown series"


class UnknownHorizonError(ConfigurationError):
    title = "Unknown horizon"


class UnknownCalibrationError(ConfigurationError):
    title = "Unknown calibration"


class DataError(NowcastError):
    title = "The data do not support an answer"


class SourceFormatError(DataError):
    title = "Unreadable source"


class SourceUnavailableError(DataError):
    """Its fields are `source`, `url` (keys left out), `time`, `status` (None without an answer) and `attempts`."""

    title = "Source unavailable"


class MissingDataError(DataError):
    title = "No data"


class HistoryError(DataError):
    title = "Too little history"


class StaleDataError(DataError):
    title = "Stale data"


class QualityError(DataError):
    title = "Quality too low"


class StoreError(NowcastError):
    title = "The store cannot be used"


class WriterBusyError(StoreError):
    title = "The store is being written"


class ModelError(NowcastError):
    title = "The model cannot be used"


class FormatVersionError(ModelError):
    title = "Unknown model format"


class ArtifactDigestError(ModelError):
    title = "Damaged model files"


class EngineError(NowcastError):
    """Its field `engine` is "local" or the scheduler's address."""

    title = "The engine failed"


class RegistryError(NowcastError):
    title = "The registry refused"


class RegistryUnavailableError(RegistryError):
    title = "MLflow cannot be reached"


class PromotionRefusedError(RegistryError):
    title = "Promotion refused"
