"""Set up `.venv`: a Python 3.12 or newer, uv, and the pinned packages. Runs on any Python 3 and needs nothing else.

If everything is up to date, it does nothing. After an interruption it makes `.venv` again from uv's cache, so nothing
is downloaded twice. Changed pins are installed into the existing `.venv`.
"""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NEEDED = (3, 12)
VENV = ".venv"
BIN = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin")
OWN = os.path.join(BIN, "python")
UV = os.path.join(BIN, "uv")
STAMP = os.path.join(VENV, "set-up")
"""File that is written last and removed first. Two lines: a digest of the place, and of the pins."""
CHOICE = os.path.join(VENV, "neural")
"""File with the last NEURAL of this environment: 0 is without torch."""
INPUTS = ("pyproject.toml", "requirements.txt", "requirements-neural.txt")
UNWANTED = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
UNWANTED += ("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX")
"""Variables that would lead an installer to another environment; indexes, caches and proxies stay the user's."""


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    neural = wants_torch()
    if stamp() == wanted(neural):
        return
    with_lock()
    found = stamp()  # another set-up may have ended while this one waited
    if found == wanted(neural):
        return
    if found:
        os.remove(STAMP)
    here = found is not None and found[0] == wanted(neural)[0]
    if not here or version_of(OWN)[0] is None or not runs(UV) or shared_files():
        make_venv()
    with open(CHOICE, "w") as file:
        file.write("1" if neural else "0")
    if neural:
        say("Installing the pinned packages with torch and CUDA's libraries, 9.1 GB (without torch, NEURAL=0: 1.9 GB)")
    else:
        say("Installing the pinned packages, 1.9 GB, without torch; NEURAL=1 adds it")
    files = ["requirements.txt"] + ["requirements-neural.txt"] * neural
    run([UV, "pip", "sync", "--python", OWN, "--require-hashes", *files])
    # Built with the pinned hatchling, so that no build environment is fetched.
    editable = ["--no-deps", "--no-build-isolation", "--editable", "."]
    run([UV, "pip", "install", "--quiet", "--python", OWN, *editable])
    say("Compiling the kernels, and what commands import")
    run(*([OWN, os.path.join("scripts", "warm_up.py"), part] for part in ("kernels", "libraries")))
    with open(STAMP, "w") as file:
        file.write("\n".join(wanted(neural)))
    say("Ready.")


def wants_torch():
    """Whether torch belongs into the environment: NEURAL=0 or 1 says so, else the choice of the last set-up counts."""
    told = os.environ.get("NEURAL")
    if not told and os.path.exists(CHOICE):
        with open(CHOICE) as file:
            told = file.read().strip()
    return told != "0"


def stamp():
    """The stamp of the last finished set-up, None if there is none or its interpreter is gone."""
    if not (os.path.exists(STAMP) and os.path.exists(OWN)):
        return None
    with open(STAMP) as file:
        return tuple(file.read().split("\n"))


def wanted(neural):
    """The stamp of a set-up that is up to date."""
    found = hashlib.sha256(b"neural" if neural else b"")
    for name in INPUTS:
        with open(name, "rb") as file:
            found.update(file.read())
    # Commands in .venv name their interpreter by its absolute path, so a moved folder needs new ones.
    return hashlib.sha256(os.path.abspath(VENV).encode()).hexdigest(), found.hexdigest()


def with_lock():
    """Wait until no other set-up works in this folder; the lock ends with the process."""
    if fcntl is None:
        return
    handle = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say("Another set-up is at work here; waiting for it.")
        fcntl.flock(handle, fcntl.LOCK_EX)


def make_venv():
    """An empty environment, and uv at its pinned version."""
    python = find_python()
    say("Making .venv with " + python)
    shutil.rmtree(VENV, ignore_errors=True)
    run([python, "-m", "venv", VENV])
    pins = os.path.join(VENV, "uv.txt")
    with open(pins, "w") as file:
        file.write(pinned("uv"))
    pip = [OWN, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run([*pip, "--require-hashes", "-r", pins])


def shared_files():
    """Whether XGBoost's NCCL is installed beside torch's: they share a file, which is deleted with either of them."""
    return bool(glob.glob(os.path.join(VENV, "lib", "python*", "site-packages", "nvidia_nccl_cu13-*")))


def pinned(package):
    """The lines of requirements.txt that pin one package with its hashes."""
    with open("requirements.txt") as file:
        found = re.search(r"^%s==.*?(?=^\S)" % re.escape(package), file.read() + "\nx", re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit("requirements.txt does not pin %s. Take the file from git again." % package)
    return found.group(0)


def find_python():
    """The first interpreter that is new enough: PYTHON, the one that runs this, the usual names, pyenv's, uv's."""
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT", os.path.join(home, ".pyenv"))
    data = os.environ.get("XDG_DATA_HOME", os.path.join(home, ".local", "share"))
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR", os.path.join(data, "uv", "python"))
    candidates = [os.environ.get("PYTHON"), sys.executable]
    candidates += ["python3.12", "python3.13", "python3.14", "python3", "python"]
    candidates += sorted(glob.glob(os.path.join(pyenv, "versions", "3.1[2-9].*", "bin", "python3")))
    candidates += sorted(glob.glob(os.path.join(uv, "cpython-3.1[2-9].*", "bin", "python3")))
    seen = []
    for name in candidates:
        if not name:
            continue
        version, base = version_of(name)
        if version is None:
            continue
        if version < NEEDED:
            seen.append("%s is %d.%d" % (base, version[0], version[1]))
        elif version_of(base, "venv, ensurepip")[0] is None:
            seen.append("%s is %d.%d but lacks venv (Debian: python3-venv)" % (base, version[0], version[1]))
        else:
            return base
    sys.exit(
        "power-nowcast needs Python %d.%d or newer; found: %s.\n"
        "Install one, for example with your system's packages, pyenv or uv (uv python install 3.12),\n"
        "then run make again, or name one: make run PYTHON=/path/to/python3.12"
        % (NEEDED[0], NEEDED[1], "; ".join(dict.fromkeys(seen)) or "none")
    )


def version_of(name, modules="sys"):
    """((major, minor), path) of an interpreter, (None, None) if it does not run or lacks a module.

    In a virtual environment the path is that of the interpreter below it: `.venv` may be made anew from itself.
    """
    code = "import sys, %s; print(*sys.version_info[:2]); print(getattr(sys, '_base_executable', sys.executable))"
    command = [name, "-c", code % modules]
    try:
        told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, env=clean())
        numbers, path = told.stdout.decode().splitlines()
        major, minor = numbers.split()
        return (int(major), int(minor)), path
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None, None


def runs(program):
    """Whether a program exists and runs."""
    try:
        return subprocess.call([program, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def clean():
    """The user's environment without the unwanted variables."""
    return {name: value for name, value in os.environ.items() if name not in UNWANTED}


def run(*commands):
    """Run steps side by side; if one fails, end the set-up with a remedy."""
    started = [(command, subprocess.Popen(command, env=clean())) for command in commands]
    for command in [command for command, process in started if process.wait()]:
        sys.exit("Set-up failed at: %s\nMend the cause above and run the same command again." % " ".join(command))


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nSet-up interrupted; the next make begins it again.")
