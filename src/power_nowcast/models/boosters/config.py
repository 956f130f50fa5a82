"""The parameters of boosters."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class BoostingConfig:
    """The usual parameters of both libraries; `num_leaves` is for LightGBM only, `max_depth` for XGBoost only.

    With `linear` boosters learn what a ridge regression leaves of the ramp, and read the features of every knot;
    without, those of their own knot. Residuals beyond `huber` standard deviations of what they learn count linearly:
    the median is robust against steps.
    With `refit` a booster is trained once more on train and valid together, with the rounds from early stopping.
    With more rows than `max_rows`, training uses every second, third, ... row, and so does the hold-out part.
    """

    n_estimators: int = 600
    learning_rate: float = 0.05
    num_leaves: int = 31
    max_depth: int = 6
    min_child: int = 100
    subsample: float = 0.7
    colsample: float = 0.5
    reg_lambda: float = 5.0
    max_bin: int = 63
    linear: bool = True
    huber: float = 0.5
    early_stopping: int = 50
    max_rows: int | None = None
    refit: bool = True
    seed: int = 1

    @classmethod
    def of(cls, **options: Any) -> "BoostingConfig":
        """The defaults, replaced by the known options that are not None."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in options.items() if name in known and value is not None})
