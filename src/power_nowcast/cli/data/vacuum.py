"""Delete files that neither a recent version nor a manifest needs, and servers' answers older than a month."""

from datetime import UTC, datetime

from power_nowcast.cli.base import DEFAULTS, RegionOption, console, open_job


def vacuum(region: RegionOption = DEFAULTS.region) -> None:
    from power_nowcast.ingest.web import answers_folder
    from power_nowcast.ingest.web.answers import KEPT, Answers

    with open_job(region, must_exist=True) as job:
        deleted = job.store.vacuum()
        if "://" not in job.store.root:
            deleted += Answers(answers_folder(job.store.root)).prune(datetime.now(UTC) - KEPT)
        console.print(f"{deleted:,} files deleted.")
