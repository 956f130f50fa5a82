"""From a bundle to a registered version: an MLflow model from code around the native files, without pickle."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import verify
from power_nowcast.features.rows import optional_columns
from power_nowcast.mlflow_client import registry
from power_nowcast.mlflow_client.connection import connect, translated
from power_nowcast.mlflow_client.registry import METRICS, Version
from power_nowcast.mlflow_client.wheel import build_wheel, requirements
from power_nowcast.regions import Region

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import Model, ModelSignature

OUTPUTS = ("series", "issue_time", "valid_at", "horizon_min", "yhat", "q05", "q10", "q25", "q50", "q75", "q90", "q95")
DETAILS = ("model_digest", "calibration_id", "quality", "flags")
TEXT = ("series", "issue_time", "valid_at", *DETAILS)


def register(
    bundle: Bundle,
    folder: Path,
    *,
    run_id: str,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    progress: Callable[[str], None] = lambda _: None,
) -> Version:
    """Log the model that the bundle's `folder` holds into the run and make it a version of its region's model.

    A bundle that is registered already gives its version. The version appears in one call, with all its tags, after its
    files are there. If this is interrupted there is no version, and the next call goes on.

    Args:
        bundle: what `folder` holds.
        folder: where `bundle.save` wrote it.
        run_id: the run that the model belongs to.
        metrics: figures of the version, kept as one tag.
        tags: further tags, such as the dataset's.
        progress: called with what happens.

    Raises:
        ArtifactDigestError: the folder does not hold this bundle.
        RegistryUnavailableError: MLflow does not answer.
    """
    verify(folder, bundle.digest)
    region = bundle.region
    for known in registry.versions(region):
        if known.digest == bundle.digest:
            return known
    client = connect()
    progress("packing the model with its code")
    with translated():
        model_id = log_model(
            client,
            run_id,
            {"digest": bundle.digest},
            bundle.model.kind,
            lambda head, local: save(bundle, folder, local, head),
        )
    progress("registering the version")
    figures = json.dumps({name: float(value) for name, value in metrics.items()})
    own = version_tags(bundle) | dict(tags) | {METRICS: figures}
    with translated():
        ensure_model(client, region)
        made = client.create_model_version(
            region.model, f"models:/{model_id}", run_id, tags=own, model_id=model_id, description=describe(bundle)
        )
    return registry.find(region, made.version)


def version_tags(bundle: Bundle) -> dict[str, str]:
    """Tags of a version that describe the bundle itself."""
    info, region = bundle.info, bundle.region
    return {
        "digest": bundle.digest,
        "calibration_id": bundle.calibration.id,
        "kind": bundle.model.kind,
        "region": region.name,
        "horizons": ",".join(map(str, region.steps_minutes)),
        "dataset_window": f"{info.train_start}/{info.train_end}",
        "data_digest": info.data_sha256,
        "git_sha": info.git_sha,
        "package_version": info.package_version,
        "history_minutes": str(bundle.history_minutes),
        "minimum_history_minutes": str(bundle.minimum_history_minutes),
    }


def describe(bundle: Bundle) -> str:
    """How to query the model, for the registry's page."""
    region = bundle.region
    return (
        f"{region.title}: {bundle.model.kind}, quantiles every {region.interval_minutes} minutes up to "
        f"{region.steps_minutes[-1]}. Input: wide rows on the grid, `valid_at` (ISO text with an offset, or "
        "times; those without a time zone are in UTC) and one column a zone in MW, "
        f"reaching back at least {bundle.minimum_history_minutes / 60:.0f} hours from the issue time, "
        f"{bundle.history_minutes / 60:.0f} for full accuracy. Params: `issue_time` (empty: the last row with an "
        "observation) and `horizon` in minutes (0: all)."
    )


def signature(region: Region) -> "ModelSignature":
    """Columns that `predict` takes and returns, and its params."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec  # noqa: PLC0415
    from mlflow.types.schema import AnyType  # noqa: PLC0415

    # MLflow accepts neither whole numbers in a column of doubles nor times in one of text. The model reads both, and
    # refuses anything else with a better message.
    needed = ["valid_at", *(zone.name for zone in region.zones)]
    optional = [*optional_columns(region), *([] if region.total is None else [region.total])]
    anything = AnyType()  # type: ignore[no-untyped-call]
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(anything, name, required=name in needed) for name in (*needed, *optional)
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, name)
        if name in TEXT
        else ColSpec(DataType.long, name)
        if name == "horizon_min"
        else ColSpec(DataType.double, name, required=False)
        for name in (*OUTPUTS, *DETAILS)
    ]
    params = ParamSchema([ParamSpec("issue_time", DataType.string, ""), ParamSpec("horizon", DataType.long, 0)])
    return ModelSignature(Schema(inputs), Schema(outputs), params)


def input_example(bundle: Bundle) -> "pd.DataFrame":
    """A few rows that the model answers: the origins of the golden rows, the first one as far back as it must see.

    The example is small and shows only the form: a request with every row since then gets a better answer.
    """
    import pandas as pd  # noqa: PLC0415

    block, region = bundle.golden, bundle.region
    age = np.nan_to_num(np.nanmax(block.age_minutes, axis=1)).astype("timedelta64[m]")
    times = block.issue_times - age
    steps = -(-bundle.minimum_history_minutes // region.interval_minutes)
    times[0] = min(times[0], times[-1] - np.timedelta64(steps * region.interval_minutes, "m"))
    frame = pd.DataFrame({"valid_at": [f"{time}:00Z" for time in times.astype(str)]})
    for zone in region.zones:
        known = zone.name in block.series
        frame[zone.name] = block.origin_mw[:, block.series.index(zone.name)] if known else np.full(len(frame), np.nan)
    return frame


def save(bundle: Bundle, folder: Path, target: Path, model: "Model | None" = None) -> None:
    """Write MLflow's model around the bundle in `folder` into `target`, which must not exist."""
    import mlflow.pyfunc  # noqa: PLC0415

    needs = requirements(bundle.model.libraries)
    # MLflow misses pip here; the serving environment brings it along.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as work:
        copied = Path(work) / "bundle"
        shutil.copytree(folder, copied)
        wheel = build_wheel(Path(work), needs)
        mlflow.pyfunc.save_model(
            path=str(target),
            python_model=str(files("power_nowcast") / "serve" / "pyfunc.py"),
            artifacts={"bundle": str(copied)},
            code_paths=[str(wheel)],
            pip_requirements=[*needs, f"code/{wheel.name}"],
            signature=signature(bundle.region),
            input_example=(input_example(bundle), {"issue_time": "", "horizon": 0}),
            model_config={"digest": bundle.digest},
            metadata={"digest": bundle.digest, "region": bundle.region.name},
            mlflow_model=model,
        )


def log_model(
    client: "MlflowClient", run_id: str, tags: Mapping[str, str], kind: str, write: Callable[["Model", Path], None]
) -> str:
    """Log a model of MLflow into the run; returns its id.

    Args:
        client: of the server.
        run_id: the run that the model belongs to.
        tags: of the model.
        kind: of the model.
        write: writes the model's files, of this head, into a folder that does not exist.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus  # noqa: PLC0415
    from mlflow.models import Model  # noqa: PLC0415

    experiment_id = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(
        experiment_id, name="model", source_run_id=run_id, tags=dict(tags), model_type=kind
    )
    status = LoggedModelStatus.FAILED
    try:
        with tempfile.TemporaryDirectory() as work:
            local = Path(work) / "model"
            head = Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            )
            write(head, local)
            client.log_model_artifacts(logged.model_id, str(local))
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(logged.model_id, status)
    return str(logged.model_id)


def ensure_model(client: "MlflowClient", region: Region) -> None:
    """Create the region's registered model, where there is none."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        client.create_registered_model(region.model, tags={"region": region.name}, description=region.title)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
