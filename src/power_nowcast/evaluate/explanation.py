"""What the report tells of a model's reasons, whatever its kind."""

from concurrent.futures import Executor

import numpy as np

from power_nowcast.evaluate.plots import Explanation
from power_nowcast.models.base import Examples
from power_nowcast.models.boosting import BoostedModel
from power_nowcast.models.bundle import Bundle
from power_nowcast.models.explaining import permutation_importance
from power_nowcast.regions.region import MAX_HORIZON_MINUTES

EXPLAINED_ROWS = 800


def explanation(bundle: Bundle, known: Examples, *, repeats: int = 5, executor: Executor | None = None) -> Explanation:
    """What the model looks at, on time that it was not trained on.

    Every kind tells what its accuracy rests on, by families of features; boosters also what each feature gained them
    and what it did to the answers of the first series, far ahead.
    """
    model = bundle.model
    rests_on = permutation_importance(bundle, known, repeats=repeats, executor=executor)
    if not isinstance(model, BoostedModel):
        return Explanation(model.importance(), rests_on=rests_on)
    series, knot = model.series[0], max(k for k in bundle.spec.knots if k <= MAX_HORIZON_MINUTES)
    issues = np.linspace(0, len(known.block.issue_times) - 1, EXPLAINED_ROWS, dtype=int)
    names, features, values = model.explain(known.block.take(issues), series, knot)
    about = f"{series}, {knot} minutes ahead"
    return Explanation(model.importance(), values, features.astype(np.float64), names, about=about, rests_on=rests_on)
