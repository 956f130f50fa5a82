"""Imports what the commands import, so that the bytecode of these modules, and of no others, is in the image."""

import importlib
import pkgutil

import power_nowcast

LATER = (
    "boto3",
    "lightgbm",
    "matplotlib.pyplot",
    "mlflow.pyfunc.scoring_server",
    "mlflow.server.auth",
    "mlflow.server.fastapi_app",
    "mlflow.store.artifact.mlflow_artifacts_repo",
    "mlflow.store.artifact.s3_artifact_repo",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnxruntime",
    "psycopg",
    "xgboost",
)
"""Modules that the product, MLflow and SQLAlchemy import where they are needed first."""

for name in (*(one.name for one in pkgutil.walk_packages(power_nowcast.__path__, "power_nowcast.")), *LATER):
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torch":  # the image for the processor has none
            raise
