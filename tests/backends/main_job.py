"""The main job of a small region in a process of its own, which prints what it made as JSON."""

import json
import resource
import sys
import time

from power_nowcast import mlflow_client
from power_nowcast.bundle.files import digest_of, verify
from power_nowcast.jobs.run import run
from tests.small_job import PLAN, TINY, job_of


def main(file: str) -> None:
    begun = time.monotonic()
    job = job_of(file)
    done = run(job, PLAN, {"lightgbm": TINY})
    version = done.production
    folder, _ = mlflow_client.download(job.region, mlflow_client.PRODUCTION, job.artifacts / "fetched")
    head, files = verify(folder, version.digest)
    # Somebody may commit between two runs of this, and the data may lie in another folder, which rows and region name.
    head["info"] |= {"git_sha": "", "data_sha256": ""}
    del head["files"]["region.json"]
    found = {
        "digest": digest_of(head),
        "metrics": dict(version.metrics),
        "refused": done.refused,
        "files": len(files.content),
        "manifests": [one.sha256 for one in job.manifests()],
        "seconds": round(time.monotonic() - begun),
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    sys.stdout.write(f"made {json.dumps(found)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
