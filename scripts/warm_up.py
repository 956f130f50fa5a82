"""Compile what the first commands and tests would compile otherwise: bytecode of libraries, and the kernels.

The set-up runs two parts side by side: `warm_up.py libraries` and `warm_up.py kernels`. A compiled kernel is kept
beside its source until that changes. The build of the image runs `warm_up.py image`.
"""

import importlib
import pkgutil
import sys

LIBRARIES = (
    "lightgbm",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "mlflow.pyfunc",
    "mlflow.server.handlers",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnxruntime",
    "scipy.optimize",
    "uvicorn",
    "xgboost",
)
"""Libraries that commands import where they are needed first."""
SERVERS = (
    "boto3",
    "mlflow.pyfunc.scoring_server",
    "mlflow.server.auth",
    "mlflow.server.fastapi_app",
    "mlflow.store.artifact.mlflow_artifacts_repo",
    "mlflow.store.artifact.s3_artifact_repo",
    "psycopg",
)
"""What the servers of the image import besides."""


def libraries(*further: str) -> None:
    """Import every module of the package, the libraries, and further ones."""
    import power_nowcast  # noqa: PLC0415 - the other part does not need it all

    modules = [one.name for one in pkgutil.walk_packages(power_nowcast.__path__, "power_nowcast.")]
    for name in (*modules, *LIBRARIES, *further):
        if name.endswith("__main__"):
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != "torch":  # an environment without torch
                raise


def kernels() -> None:
    """Train and ask a tiny model of made-up load, as `run` does with the sample."""
    import numpy as np  # noqa: PLC0415

    from power_nowcast.bundle.train import examples, train_bundle  # noqa: PLC0415
    from power_nowcast.features.panel import unknown  # noqa: PLC0415
    from power_nowcast.features.spec import FeatureSpec  # noqa: PLC0415
    from power_nowcast.live.nowcaster import Nowcaster  # noqa: PLC0415
    from power_nowcast.models.kinds import create  # noqa: PLC0415
    from power_nowcast.regions import load  # noqa: PLC0415

    region = load("nyiso")
    spec = FeatureSpec.for_interval(region.interval_minutes)
    start, end = np.datetime64("2019-01-01T00:00"), np.datetime64("2019-02-18T00:00")
    panel = unknown(region, start, end, end + np.timedelta64(3, "h"), known_at=end)
    rng = np.random.default_rng(1)
    for grid in (panel.power, panel.weather, panel.forecast):
        grid.values[:] = 1000 + 100 * np.sin(np.arange(len(grid)) / 46)[:, None] + rng.normal(0, 5, grid.values.shape)
    issues = panel.times[-2000:-100:3]
    known = examples(panel, region, issues, spec)
    border = issues[400]
    model = create("lightgbm", region.series, spec.knots, n_estimators=2, num_leaves=3, early_stopping=1)
    parts = known.during(issues[0], border), known.during(border, issues[-1])
    bundle, _ = train_bundle(region, spec, model, *parts)
    bundle.replay(panel, issues[-50:])
    Nowcaster(bundle).nowcast(panel, panel.end)


if __name__ == "__main__":
    {"libraries": libraries, "kernels": kernels, "image": lambda: libraries(*SERVERS)}[sys.argv[1]]()
