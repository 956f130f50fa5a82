"""The names that other code may rely on: one that appears, goes or changes its name does so on purpose."""

import ast
from importlib import import_module
from inspect import getsource

import pytest

PUBLIC = {
    "power_nowcast": "__version__",
    "power_nowcast.contracts": """
        BAD_ROWS Basis Batch FeatureBlock Flag Floats Grid LIVE MEDIAN Manifest Nowcasts PREDICTIONS Panel Part Patches
        Progress QUANTILES QUARANTINE ROWS Reading Reason Received Table Times UTC VALUES WHOLE_KEY from_table to_table
    """,
    "power_nowcast.errors": """
        ArtifactDigestError ConfigurationError DataError EngineError FormatVersionError HistoryError
        MissingDataError ModelError NowcastError PromotionRefusedError QualityError RegistryError
        RegistryUnavailableError SourceFormatError SourceUnavailableError StaleDataError StoreError
        UnknownCalibrationError UnknownHorizonError UnknownRegionError UnknownSeriesError WriterBusyError install_remedy
    """,
    "power_nowcast.settings": "DEFAULT ENVIRONMENT FILE Given PARAMETERS Settings origins settings",
    "power_nowcast.scoring": """
        BANDS Coverage KEYS PROTOCOL_QUANTILES bias coverage coverage_cells crossing crps crps_weights label losses mae
        mape pinball pinball_losses protocol_table rmse skill summarise
    """,
    "power_nowcast.regions": "Region SourceSpec Zone available load of",
    "power_nowcast.ingest": "ReplayClock fetch replayed with_source",
    "power_nowcast.store": "Address AppendReport Store",
    "power_nowcast.collect": """
        FellOut Finding Follower Gap IngestReport Rebuilt State TableStatus fell_out fill flags gaps rebuild status
        usual_age verify write write_all
    """,
    "power_nowcast.jobs.doctor": "FEW_BYTES MANY_BYTES NATIVE Outside Reply SKEW SKEW_AT_MOST ask examine load",
    "power_nowcast.mlflow_client": """
        ALIASES ARTIFACTS CANDIDATE Copied DIGEST PRODUCTION Predictions RUN_AGAIN Recorded Run STAGING Step Version
        as_params by_alias check_reachable connect copy_database copy_model database_file download environment fetch
        find git_sha has_run history installed move_addresses newest place predictions promote recorded register
        rollback run scoring_app serve_command server_command set_alias shown_address tag_verdict trainings
        version_trained_by versions
    """,
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_those_agreed(name: str) -> None:
    module = import_module(name)
    found = getattr(module, "__all__", None)
    assert sorted(_defined(getsource(module)) if found is None else found) == sorted(PUBLIC[name].split())
    assert all(hasattr(module, public) for public in PUBLIC[name].split())


def _defined(source: str) -> set[str]:
    """Names without an underscore that a module itself defines: no imports."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.TypeAlias(name=ast.Name(id=name)) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return {name for name in names if not name.startswith("_")}
