"""A model in a folder behind `/ping` and `/invocations`, as SageMaker asks: MLflow's answers, this service's limits."""

from pathlib import Path

from power_nowcast import mlflow_client
from power_nowcast.serve.guard import NO_KEYS
from power_nowcast.serve.middleware import AccessLog, BodyLimit
from power_nowcast.serve.start import run_server


def serve_folder(host: str, port: int, folder: Path) -> None:
    """Load the model and answer with it until interrupted; what is in work is finished first.

    Nobody needs a key: whoever reaches the port may ask.

    Raises:
        ModelError: the folder holds no model of MLflow.
        ArtifactDigestError: the model is another one than its MLmodel file says.
    """
    app = mlflow_client.scoring_app(folder)
    app.add_middleware(BodyLimit, limit=NO_KEYS.max_body, posts=NO_KEYS.posts, waiting=NO_KEYS.waiting)
    app.add_middleware(AccessLog)
    run_server(app, host, port)
