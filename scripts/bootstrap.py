"""Set up `.venv`: a Python 3.12 or newer, uv, and the pinned packages. Runs on any Python 3 and needs nothing else.

Safe to run again: it does nothing when all is there, and finishes what was interrupted.
"""

import glob
import hashlib
import os
import re
import subprocess
import sys

NEEDED = (3, 12)
VENV = ".venv"
STAMP = os.path.join(VENV, "set-up")
BIN = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin")
INPUTS = ("pyproject.toml", "requirements.txt", "requirements-neural.txt")


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    neural = os.environ.get("NEURAL", "1") != "0"
    wanted = digest(neural)
    if os.path.exists(STAMP):
        with open(STAMP) as file:
            if file.read() == wanted:
                return
    python = find_python()
    if version_of(os.path.join(BIN, "python"), "pip") is None:
        say("Making .venv with " + python)
        run([python, "-m", "venv", "--clear", VENV])
    own = os.path.join(BIN, "python")
    say("Installing uv")
    with open(os.path.join(VENV, "uv.txt"), "w") as file:
        file.write(pinned("uv"))
    run([own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", file.name])
    uv = os.path.join(BIN, "uv")
    files = ["-r", "requirements.txt"]
    if neural:
        say("Installing the pinned packages with torch: its CUDA build takes about 5 GB (NEURAL=0 leaves it out)")
        files += ["-r", "requirements-neural.txt"]
    else:
        say("Installing the pinned packages, about 2 GB, without torch")
    environment = dict(os.environ, VIRTUAL_ENV=os.path.abspath(VENV))
    run([uv, "pip", "install", "--require-hashes", *files], environment)
    # Built with the pinned hatchling, so that no build environment is fetched.
    run([uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", "."], environment)
    with open(STAMP, "w") as file:
        file.write(wanted)
    say("Ready.")


def digest(neural):
    """What the set-up depends on; the stamp holds it, written last."""
    found = hashlib.sha256(b"neural" if neural else b"")
    for name in INPUTS:
        with open(name, "rb") as file:
            found.update(file.read())
    # A moved folder leaves absolute paths in .venv that point elsewhere.
    found.update(os.path.abspath(VENV).encode())
    return found.hexdigest()


def pinned(package):
    """The lines of requirements.txt that pin one package with its hashes."""
    with open("requirements.txt") as file:
        found = re.search(r"^%s==.*?(?=^\S)" % re.escape(package), file.read() + "\nx", re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit("requirements.txt does not pin %s. Run: make lock" % package)
    return found.group(0)


def find_python():
    """The first interpreter that is new enough: of PYTHON, this one, the usual names, pyenv's and uv's."""
    home = os.path.expanduser("~")
    candidates = [os.environ.get("PYTHON"), sys.executable]
    candidates += ["python3.12", "python3.13", "python3.14", "python3", "python"]
    candidates += sorted(glob.glob(os.path.join(home, ".pyenv/versions/3.1[2-9]*/bin/python3")))
    candidates += sorted(glob.glob(os.path.join(home, ".local/share/uv/python/cpython-3.1[2-9]*/bin/python3")))
    seen = []
    for name in candidates:
        if not name:
            continue
        version = version_of(name)
        if version and version >= NEEDED:
            return name
        if version:
            seen.append("%s is %d.%d" % (name, version[0], version[1]))
    sys.exit(
        "power-nowcast needs Python %d.%d or newer; found: %s.\n"
        "Install one, for example with your system's packages, pyenv or uv (uv python install 3.12),\n"
        "then run make again, or name one: make run PYTHON=/path/to/python3.12"
        % (NEEDED[0], NEEDED[1], ", ".join(seen) or "none")
    )


def version_of(name, module="ensurepip"):
    """(major, minor) of an interpreter, None where it does not run or lacks the module."""
    try:
        code = "import sys, venv, %s; print(*sys.version_info[:2])" % module
        found = subprocess.run([name, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        major, minor = found.stdout.split()
        return int(major), int(minor)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def run(command, environment=None):
    """Run a step; its failure ends the set-up with what to do."""
    code = subprocess.call(command, env=environment)
    if code:
        sys.exit("Set-up failed at: %s\nMend the cause above and run the same command again." % " ".join(command))


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
