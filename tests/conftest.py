import os

# Before any library that reads them is imported, here and in every process that a test starts: the tests' arrays are so
# small that threads cost more than they give, most of all beside another worker.
THREADS = ("MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
for _name in THREADS:
    os.environ.setdefault(_name, "1")

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from power_nowcast.mlflow_client.connection import prepare_environment
from power_nowcast.settings import settings

# Compilation and a busy machine make a first example slow; nothing here measures time.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

# As commands do, before any test imports MLflow, which reads them then.
prepare_environment()


BENCH_DATA = Path(os.environ["NOWCAST_BENCH_DATA"]).resolve() if os.environ.get("NOWCAST_BENCH_DATA") else None
"""Resolved at once: tests change the working folder."""


@pytest.fixture
def bench_data() -> Path:
    """The folder of the publishers' archives; tests that ask for it are left out where there is none."""
    if BENCH_DATA is None or not (BENCH_DATA / "nyiso/pal").is_dir():
        pytest.skip("NOWCAST_BENCH_DATA names no folder with nyiso/pal: the publishers' files are not here")
    return BENCH_DATA


@pytest.fixture(scope="session")
def small_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of one MLflow database for all small jobs: it takes seconds to make, and each job's region is its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('small jobs') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def work_in(small_database: str) -> Iterator[Callable[..., Path]]:
    """Makes a folder the working folder and sets its settings, until the module ends."""
    with pytest.MonkeyPatch.context() as patch:

        def enter(folder: Path, **environment: str) -> Path:
            patch.chdir(folder)
            values = {"MLFLOW_TRACKING_URI": small_database, "NOWCAST_WORKERS": "1", "NOWCAST_OWNER": "tester"}
            for name, value in (values | environment).items():
                patch.setenv(name, value)
            settings.cache_clear()
            return folder

        yield enter
    settings.cache_clear()
