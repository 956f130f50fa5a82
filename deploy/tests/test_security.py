"""What `make secrets` and `make audit` run: secrets in the history, and known weaknesses of the pinned packages."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from terraform import TESTS

REPOSITORY = TESTS.parents[1]
PROGRAMS = Path(sys.executable).parent
FILES = [REPOSITORY / "requirements.txt", *sorted((REPOSITORY / "deploy/docker").glob("requirements-*.txt"))]


def _gitleaks(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [PROGRAMS / "gitleaks", "git", "--no-banner", "--redact", "."]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def _git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


def test_no_commit_holds_a_secret() -> None:
    inside = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if inside.stdout.strip() != "false":
        pytest.skip("There is no whole history here")
    done = _gitleaks(REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) commits scanned", done.stderr)[1]) >= 1


def test_a_secret_that_was_deleted_again_is_found(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    made_up = "AKIA" + "QYLPMN5HNM2OZ7RS"
    (tmp_path / "settings.py").write_text(f'aws_access_key_id = "{made_up}"\n')
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "-m", "one")
    (tmp_path / "settings.py").write_text("")
    _git(tmp_path, "commit", "--quiet", "-am", "two")
    done = _gitleaks(tmp_path)
    assert done.returncode == 1
    assert "leaks found: 1" in done.stderr


@contextmanager
def _weaknesses(of: str) -> Iterator[str]:
    """A server that knows one weakness, of one package, and answers as OSV's does; yields its address."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(told["package"]["name"])
            weak = {
                "id": "MADE-UP-1",
                "summary": "made up",
                "affected": [{"package": {"name": of, "ecosystem": "PyPI"}, "versions": [told["version"]]}],
            }
            body = json.dumps({"vulns": [weak]} if told["package"]["name"] == of else {}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(set(asked)) > 100


@pytest.mark.parametrize(("weak", "code"), [("no-such-package", 0), ("mlflow", 1)])
def test_the_audit_asks_for_every_package(weak: str, code: int) -> None:
    with _weaknesses(weak) as url:
        words = ["--disable-pip", "--require-hashes", "--vulnerability-service", "osv", "--osv-url", url]
        files = [word for file in FILES for word in ("-r", str(file))]
        command = [PROGRAMS / "pip-audit", *words, *files]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("MADE-UP-1" in done.stdout) == bool(code)


def test_the_targets_run_these_commands() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    assert "pip-audit --disable-pip --require-hashes $(addprefix -r ,$(REQUIREMENTS))" in makefile
    assert "gitleaks git --no-banner --redact" in makefile
