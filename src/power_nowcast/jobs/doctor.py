"""Check this machine: installed packages, writable folders, reachable servers, and stored data."""

import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ctypes import CDLL
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module, metadata
from importlib.util import find_spec
from itertools import dropwhile
from pathlib import Path

import httpx

from power_nowcast import mlflow_client
from power_nowcast.collect import Finding, State, status
from power_nowcast.collect.freshness import Freshness
from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, DataError, NowcastError, SourceUnavailableError, StoreError
from power_nowcast.ingest.catalog import source_of
from power_nowcast.ingest.fetch import NOT_FOUND
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.web import Body, Http, http_date, redact
from power_nowcast.jobs import gpu
from power_nowcast.jobs.job import EVERY_MINUTES
from power_nowcast.regions import Region
from power_nowcast.settings import Settings
from power_nowcast.store import Store

FEW_BYTES, MANY_BYTES = 1_000_000_000, 5_000_000_000
"""Free space below which the check fails, and below which it warns."""
SKEW, SKEW_AT_MOST = timedelta(seconds=30), timedelta(minutes=5)
"""Difference to a server's clock from which the check warns, and from which it fails: `available_at` of live rows is
wrong."""
_TIMEOUT = 10.0
NATIVE = {
    "deltalake": "deltalake/_internal*",
    "lightgbm": "lightgbm/lib/lib_lightgbm*",
    "numba": "llvmlite/binding/libllvmlite*",
    "onnxruntime": "onnxruntime/capi/onnxruntime_pybind11_state*",
    "polars": "_polars_runtime*/_polars_runtime*",
    "pyarrow": "pyarrow/lib.*",
    "torch": "torch/lib/libtorch_cpu*",
    "xgboost": "xgboost/lib/libxgboost*",
}
"""Packages with compiled code, and their file that needs libraries of the system; torch is optional."""
_COMPILED = (".so", ".dylib", ".dll", ".pyd")
_SYSTEM_LIBRARY = re.compile(r"\b(lib(?!/)[\w.+-]*?\.(?:so|dylib)[\w.]*|vcomp\w+\.dll)")
_PACKAGES = {
    ("libgomp", "libomp"): "libgomp1 on Debian and Ubuntu, libgomp on Fedora, libomp on macOS (brew)",
    ("libstdc++",): "libstdc++6 on Debian and Ubuntu, libstdc++ on Fedora",
    ("vcomp",): "the Visual C++ Redistributable",
}
"""The package to install for a library of the system, by the prefixes of its file name."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(?:>=([0-9.]+))?")


@dataclass(frozen=True)
class Reply:
    """A server's reply: its status, and its clock time if the reply has one."""

    status: int
    date: datetime | None = None


def ask(url: str) -> Reply:
    """Make a request to a server, to see whether it answers.

    Raises:
        SourceUnavailableError: the server does not answer.
    """
    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=False) as response:
            told = response.headers.get("Date")
    except httpx.HTTPError as error:
        raise SourceUnavailableError(
            f"{redact(url)} does not answer: {redact(str(error)) or type(error).__name__}.",
            remedy="Check the network, a proxy (HTTPS_PROXY), and NOWCAST_URLS.",
            url=redact(url),
        ) from error
    return Reply(response.status_code, http_date(told))


def load(name: str) -> None:
    """Load a package's compiled code: by its file if possible, which takes a tenth of the time of an import.

    Raises:
        Exception: any error that the import of the package raises.
    """
    spec = find_spec(name)
    if spec is not None and spec.origin is not None:
        for file in Path(spec.origin).parents[1].glob(NATIVE[name]):
            if file.suffix in _COMPILED:
                with suppress(OSError):  # the import below decides whether this matters, and names the missing library
                    CDLL(str(file))
                    return
    import_module(name)


def _gpus() -> str | OSError:
    """What the GPUs' driver says, or why it says nothing."""
    try:
        return gpu.query()
    except OSError as error:
        return error


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Outside:
    """The outside world of the checks: servers, clock, disk, packages and GPUs; `http` makes the real requests."""

    ask: Callable[[str], Reply] = ask
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    free: Callable[[Path], int] = _free
    http: Callable[[], Http] = lambda: Http(attempts=1)
    load: Callable[[str], object] = load
    gpus: Callable[[], str | OSError] = _gpus


def examine(
    regions: Sequence[Region], settings: Settings, *, live: bool = False, outside: Outside | None = None
) -> list[Finding]:
    """Check everything that a run needs, one finding each; no check raises an error or changes data.

    Args:
        regions: the regions of the sources and tables.
        settings: paths and addresses.
        live: make one real request to each source and read the answer, instead of only reaching its server.
        outside: replaces the network, the clock, the disk and the installed packages.
    """
    world = outside or Outside()
    replies: dict[str, Reply | SourceUnavailableError] = {}
    found = [_python(), _packages(), _libraries(world), *_folders(settings, world), _gpu(regions, settings, world)]
    for region in regions:
        found += _sources(region, world, replies, settings.contact, live=live)
    found += [_clock(world, replies), _mlflow(settings)]
    for region in regions:
        found += _last_data(region, settings, world)
    return found


def _python() -> Finding:
    version, needed = platform.python_version(), (3, 12)
    good = sys.version_info >= needed
    remedy = "" if good else "Install Python 3.12 or newer; make setup looks for it."
    return Finding("python", State.OK if good else State.FAIL, version, remedy)


def _packages() -> Finding:
    """Every required package is installed, and new enough."""
    try:
        required = [line for line in metadata.requires("power-nowcast") or [] if ";" not in line]
    except metadata.PackageNotFoundError:
        return Finding("packages", State.WARN, "power-nowcast itself is not installed", "Install it: make setup.")
    wrong = []
    for line in required:
        match = _REQUIREMENT.match(line)
        name, least = (match[1], match[2]) if match else (line, None)
        try:
            version = mlflow_client.installed(name).version
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if least and _numbers(version) < _numbers(least):
            wrong.append(f"{name} {version} is older than {least}")
    if wrong:
        return Finding("packages", State.FAIL, "; ".join(wrong), "Install the required packages: make setup.")
    return Finding("packages", State.OK, f"{len(required)} required packages")


def _libraries(world: Outside) -> Finding:
    """Every package with compiled code can be loaded: some need a library of the system that no package includes."""
    loaded, wrong, remedies = 0, [], []
    for name in NATIVE:
        try:
            world.load(name)
        except Exception as error:  # each package has its own errors
            if name == "torch" and isinstance(error, ModuleNotFoundError):
                continue
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            wrong.append(f"{name} cannot be loaded: {first}")
            remedies.append(_remedy(str(error)))
        else:
            loaded += 1
    if wrong:
        return Finding("libraries", State.FAIL, "; ".join(wrong), " ".join(dict.fromkeys(remedies)))
    return Finding("libraries", State.OK, f"{loaded} packages with compiled code can be loaded")


def _remedy(message: str) -> str:
    """The remedy for a message that names a missing library of the system."""
    missing = _SYSTEM_LIBRARY.findall(message)
    if not missing:
        return "Install the packages again: make setup."
    known = (name for begins, name in _PACKAGES.items() if any(one.startswith(begins) for one in missing))
    return f"Install {next(known, f'the package of your system that holds {missing[0]}')}."


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _folders(settings: Settings, world: Outside) -> Iterator[Finding]:
    """Free space on the disk of the tables, and permission to write to all folders."""
    places = {"data": settings.data, "reports": str(settings.reports), "artifacts": str(settings.artifacts)}
    for name, place in places.items():
        variable = f"NOWCAST_{name.upper()}"
        if "://" in place:
            yield _object_store(name, place)
            continue
        folder = _existing(Path(place).absolute())
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            detail = f"{folder} cannot be written: {error.strerror}"
            yield Finding(f"write {name}", State.FAIL, detail, f"Give {variable} a folder that you may write to.")
            continue
        yield Finding(f"write {name}", State.OK, place)
        if name == "data":
            free = world.free(folder)
            state = State.FAIL if free < FEW_BYTES else State.WARN if free < MANY_BYTES else State.OK
            remedy = "" if state is State.OK else f"Make room, or give {variable} another disk; nowcast data vacuum."
            yield Finding("disk", state, f"{free / 1e9:.1f} GB free at {folder}", remedy)


def _object_store(name: str, place: str) -> Finding:
    try:
        Store(place).version(Table.POWER)
    except StoreError as error:
        return Finding(f"write {name}", State.FAIL, redact(error.message), error.remedy)
    return Finding(f"write {name}", State.OK, f"{redact(place)} can be read")


def _existing(folder: Path) -> Path:
    """The folder, or the first existing folder above it: missing folders are made when they are needed."""
    return next(dropwhile(lambda one: not one.exists(), (folder, *folder.parents)))


def _gpu(regions: Sequence[Region], settings: Settings, world: Outside) -> Finding:
    """The GPUs, and what a network of each region needs of them for all data that are stored."""
    needs = {}
    for region in regions:
        with suppress(NowcastError):  # the check of the data says what is wrong with them
            tables = {one.table: one for one in status(Store(settings.data), region, now=world.clock())}
            if tables[Table.POWER].rows:
                needs[region.name] = gpu.needed_mib(region, tables[Table.POWER].rows, EVERY_MINUTES)
    return gpu.finding(world.gpus(), needs, has_torch=find_spec("torch") is not None)


class _AskedError(Exception):
    """Carries the address of a source's request."""


class _Address(Http):
    """Makes no request: it raises the address of the request."""

    def get(self, url: str, *, source: str, body: Body, **_: object) -> Received:  # noqa: ARG002
        raise _AskedError(url)


def _sources(
    region: Region, world: Outside, replies: dict[str, Reply | SourceUnavailableError], contact: str, *, live: bool
) -> Iterator[Finding]:
    for table, spec in region.specs.items():
        name = f"source {region.name} {table} ({spec.source})"
        try:
            if live:
                with world.http() as http:
                    http.contact = http.contact or contact
                    told = _request(Request(region, table, spec, http=http))
            else:
                told = _reach(Request(region, table, spec), world, replies, contact)
        except NowcastError as error:
            yield Finding(name, State.FAIL, redact(error.message), redact(error.remedy))
        else:
            yield Finding(name, State.OK, told)


def _request(request: Request) -> str:
    """Make one real request, and read its answer to the end."""
    source = source_of(request.region, request.spec)
    failure: DataError | None = None
    for delivery in source.deliveries(request):
        try:
            received = delivery.read()
        except SourceUnavailableError as error:
            if delivery.expected or error.fields["status"] != NOT_FOUND:
                raise
            failure = error  # this delivery may not be published yet: try the next one
            continue
        rows = source.parse(received, request, delivery.origin)
        return f"{delivery.origin}: {len(received.data):,} bytes, {len(rows):,} values"
    raise failure or DataError(
        f"{request.spec.source} has no request to make.", remedy="Check the options in the region file."
    )


def _reach(request: Request, world: Outside, replies: dict[str, Reply | SourceUnavailableError], contact: str) -> str:
    """The files exist, or the server gives any answer."""
    source = source_of(request.region, request.spec)
    source.check(request)
    try:
        with _Address(contact=contact) as http:
            asking = Request(request.region, request.table, request.spec, http=http)
            deliveries = list(source.deliveries(asking))
            if source.reads_files or not deliveries:
                return f"{len(deliveries)} files"
            if deliveries[0].server is not None:
                raise _AskedError(deliveries[0].server)
            deliveries[0].read()
    except _AskedError as error:
        address = httpx.URL(str(error))
    else:
        return f"{deliveries[0].origin}, a part of this package"
    server = f"{address.scheme}://{address.netloc.decode()}/"
    if server not in replies:
        try:
            replies[server] = world.ask(server)
        except SourceUnavailableError as error:
            replies[server] = error
    reply = replies[server]
    if isinstance(reply, SourceUnavailableError):
        raise reply
    if reply.status >= 500:
        raise SourceUnavailableError(
            f"{server} answers {reply.status}.", remedy="Try again later: the server has a fault.", url=server
        )
    return f"{server} answers"


def _clock(world: Outside, replies: dict[str, Reply | SourceUnavailableError]) -> Finding:
    """Compare this machine's clock with a server's: `available_at` of live rows depends on it."""
    now = world.clock()
    told = {server: reply.date for server, reply in replies.items() if isinstance(reply, Reply) and reply.date}
    if not told:
        return Finding("clock", State.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC; no server's clock was compared")
    server, date = min(told.items(), key=lambda one: abs(now - one[1]))
    skew = now - date
    state = State.FAIL if abs(skew) > SKEW_AT_MOST else State.WARN if abs(skew) > SKEW else State.OK
    remedy = "" if state is State.OK else "Set the clock: timedatectl set-ntp true."
    return Finding("clock", state, f"{skew.total_seconds():+.0f} s against {server}", remedy)


def _mlflow(settings: Settings) -> Finding:
    try:
        mlflow_client.check_reachable(settings.tracking_uri)
    except NowcastError as error:
        return Finding("mlflow", State.FAIL, error.message, error.remedy)
    return Finding("mlflow", State.OK, mlflow_client.shown_address(settings.tracking_uri))


def _last_data(region: Region, settings: Settings, world: Outside) -> Iterator[Finding]:
    """Late data give a warning only: the service still answers, and marks the answer as stale."""
    try:
        tables = status(Store(settings.data), region, now=world.clock())
    except (StoreError, ConfigurationError) as error:
        yield Finding(f"data {region.name}", State.FAIL, error.message, error.remedy)
        return
    for one in tables:
        name = f"data {region.name} {one.table}"
        if one.last is None:
            yield Finding(name, State.WARN, "none yet", f"Ingest it: nowcast ingest --region {region.name}.")
            continue
        detail = f"{one.rows:,} values until {one.last:%Y-%m-%d %H:%M} UTC ({one.freshness})"
        if one.freshness is Freshness.LATE:
            minutes = one.behind.total_seconds() / 60
            yield Finding(
                name, State.WARN, f"{detail}, {minutes:,.0f} minutes behind", "Ingest again; see the sources."
            )
        else:
            yield Finding(name, State.OK, detail)
