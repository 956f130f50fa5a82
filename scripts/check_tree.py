"""Rules of the tree that no linter knows: places of files, sizes, who reads the settings, no paths of a machine.

`docs/architecture.md` says why each rule exists. An exception stands in `EXCEPTIONS` with its reason; one that nothing
needs any more is an offence, too.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "src/power_nowcast/"
TOP = {"__init__.py", "errors.py", "scoring.py", "settings.py", "workers.py"}
"""The only modules that lie flat on top of the package."""
FILE_LINES, COMMAND_LINES, FUNCTION_LINES, ARGUMENTS = 400, 90, 60, 7
SHARED_BY_COMMANDS = {"__init__.py", "base.py", "show.py"}
"""Files of `cli/` that are not commands."""
THREADS = ("concurrent.futures", "multiprocessing", "threading")
TYPES_OF_THREADS = {"Executor", "Future", "as_completed", "Lock", "RLock", "get_ident", "local"}
"""Names of these modules that make no thread and no process."""
ONE_CALL = "options of one public call, each named where it is called; an object of options would be a second way"
EXCEPTIONS = {
    ("settings", "ingest/web/access.py"): "addresses and keys, which no request may carry",
    ("settings", "mlflow_client/connection.py"): "the default address, as MLflow's own client has one",
    ("settings", "regions/files.py"): "the folder of further region files, for everything that loads a region by name",
    ("settings", "serve/start.py"): "the start of the service",
    ("settings", "workers.py"): "the number of processes and threads",
    ("threads", "workers.py"): "makes the executors",
    ("arguments", "bundle/train.py:train_bundle"): "the parts of a bundle",
    ("arguments", "collect/load.py:write_all"): ONE_CALL,
    ("arguments", "ingest/fetch.py:fetch"): ONE_CALL,
    ("arguments", "ingest/web/asking.py:__init__"): "clock, timer, sleep, chance and transport, which tests replace",
    ("arguments", "jobs/period.py:backtest"): ONE_CALL,
}
# Put together from parts, so that this file does not break its own rule.
HOSTS = "|".join(("py" + r"pi\.org", "pythonhosted" + r"\.org", "deb" + r"\.debian\.org", "npm" + r"js\.org"))
MACHINE = r"(?<![\w.])/(?:" + "|".join(("ho" + "me", "ro" + "ot", "wo" + "rk", "Us" + "ers")) + r")/[\w.]"
FORBIDDEN = re.compile(f"{HOSTS}|{MACHINE}")


def offences(files: list[str]) -> list[str]:
    """Every offence of these files, paths from the root of the tree."""
    found, excused = list[str](), set[tuple[str, str]]()
    for name in files:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        lines = text.splitlines()
        found += [f"{name}:{n}: {line.strip()[:100]}" for n, line in enumerate(lines, 1) if FORBIDDEN.search(line)]
        if not name.endswith(".py"):
            continue
        if len(lines) > FILE_LINES:
            found.append(f"{name}: {len(lines)} lines, more than {FILE_LINES}")
        if name.startswith(PACKAGE):
            inside = name.removeprefix(PACKAGE)
            for rule, place, words in _of_module(inside, lines, ast.parse(text)):
                if (rule, place) in EXCEPTIONS:
                    excused.add((rule, place))
                else:
                    found.append(f"{PACKAGE}{place}: {words}")
    needless = sorted(EXCEPTIONS.keys() - excused) if any(name.startswith(PACKAGE) for name in files) else []
    return found + [f"{place}: nothing needs its exception from the rule of {rule}" for rule, place in needless]


def _of_module(name: str, lines: list[str], tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Rule, place and words of each offence of a module of the package."""
    folder, _, file = name.rpartition("/")
    is_command = name.startswith("cli/")
    if not folder and file not in TOP:
        yield "top", name, "a module on top of the package: it belongs into a folder"
    if is_command and file not in SHARED_BY_COMMANDS and len(lines) > COMMAND_LINES:
        yield "command", name, f"{len(lines)} lines, more than {COMMAND_LINES}: a command is options and one call"
    if not is_command and name != "settings.py" and any(_is_call(node, "settings") for node in ast.walk(tree)):
        yield "settings", name, "reads the settings: it should be given what it needs"
    if not name.startswith("live/") and any(_makes_threads(node) for node in ast.walk(tree)):
        yield "threads", name, "makes threads or processes: that is for live/ and workers.py"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{name}:{node.name}"
            if (count := _lines(node)) > FUNCTION_LINES:
                yield "function", place, f"{count} lines, more than {FUNCTION_LINES}"
            if not is_command and (count := _arguments(node)) > ARGUMENTS:
                yield "arguments", place, f"{count} arguments, more than {ARGUMENTS}"
            if not is_command and any(_is_own_import(inner) for inner in ast.walk(node)):
                yield "import", place, "imports this package inside a function, which hides an arrow"


def _is_call(node: ast.AST, name: str) -> bool:
    """Whether it calls this name, by itself or as a module's attribute: `settings()`, `settings.settings()`."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute):
        return called.attr == name and isinstance(called.value, ast.Name) and called.value.id == name
    return isinstance(called, ast.Name) and called.id == name


def _makes_threads(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.startswith(THREADS) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        if (node.module or "").startswith(THREADS):
            return bool(names - TYPES_OF_THREADS)
        return node.module == "concurrent" and "futures" in names
    return False


def _is_own_import(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").startswith("power_nowcast")
    return isinstance(node, ast.Import) and any(alias.name.startswith("power_nowcast") for alias in node.names)


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its decorators and its docstring."""
    first = node.body[0]
    docstring = ast.get_docstring(node, clean=False)
    told = 0 if docstring is None else (first.end_lineno or first.lineno) - first.lineno + 1
    return (node.end_lineno or node.lineno) - node.lineno + 1 - told


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Arguments of a function, `self` and `cls` left out."""
    given = node.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def main() -> int:
    """Print every offence; 1 if there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    found = offences([name for name in listed.stdout.splitlines() if Path(name).is_file()])
    print("\n".join(found) or "The tree is in order.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
