"""The report's explanation of a model, for every kind of model."""

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.explaining import permutation_importance
from power_nowcast.models.boosters.base import BoostedModel
from power_nowcast.models.examples import Examples
from power_nowcast.regions.region import MAX_HORIZON_MINUTES
from power_nowcast.regions.units import TO_MW
from power_nowcast.report.plots import Explanation

EXPLAINED_ROWS = 800


def explanation(bundle: Bundle, known: Examples, *, repeats: int = 5) -> Explanation:
    """The explanation of a model on hold-out time.

    Every kind has the permutation importance of families of features. Boosters also have the share of each feature in
    training and its contributions to the nowcasts of the first series at the longest horizon.
    """
    model = bundle.model
    rests_on = permutation_importance(bundle, known, repeats=repeats)
    if not isinstance(model, BoostedModel):
        return Explanation(model.importance(), rests_on=rests_on)
    series, knot = model.series[0], max(k for k in bundle.spec.knots if k <= MAX_HORIZON_MINUTES)
    issues = np.linspace(0, len(known.block.issue_times) - 1, EXPLAINED_ROWS, dtype=int)
    names, features, values = model.explain(known.block.take(issues), series, knot)
    about = f"{series}, {knot} minutes ahead"
    unit = bundle.region.unit
    return Explanation(
        model.importance(),
        values / TO_MW[unit],
        features.astype(np.float64),
        names,
        unit=unit,
        about=about,
        rests_on=rests_on,
    )
