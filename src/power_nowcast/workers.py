"""Executors: this module alone makes the processes and threads that work on folds, series, models and blocks of zones.

A model uses one thread where many models are trained in parallel, so a pool has one process for each core that it may
use. Blocks of zones go through an `Engine`, to processes of this machine or to the workers of a Dask scheduler.
"""

import hashlib
import ipaddress
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, Protocol

from power_nowcast.errors import ConfigurationError, EngineError, install_remedy
from power_nowcast.settings import settings

if TYPE_CHECKING:
    from distributed import Client, Security

PARALLEL_FROM = 500
"""Rows (issue time x series) from which threads pay."""


class Processes(ProcessPoolExecutor):
    """Worker processes that end with this process, however it ends: each holds a pipe that this process keeps open.

    They are spawned, not forked: boosters' threads do not survive a fork.
    """

    def __init__(self, count: int) -> None:
        context = get_context("spawn")
        self._theirs, self._held = context.Pipe(duplex=False)
        super().__init__(count, mp_context=context, initializer=_follow_parent, initargs=(self._theirs,))

    def end(self) -> None:
        """End the workers at once, in the middle of their work."""
        self._held.close()
        self.shutdown(cancel_futures=True)


def processes(count: int) -> Processes:
    """An executor of `count` processes."""
    return Processes(count)


def _follow_parent(held: Connection) -> None:
    """Let this worker end when the pipe's other end closes. Ctrl-C reaches workers too; their parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        with suppress(EOFError, OSError):
            held.recv_bytes()
        os._exit(1)

    Thread(target=wait, name="parent", daemon=True).start()


@contextmanager
def pool(count: int) -> Iterator[Callable[[], Executor | None]]:
    """Yields a function that returns the executor of this block, None if `count` is 1.

    The first call makes the executor; later calls return the same one. The end of the block cancels tasks that have
    not begun and waits for the others; an error in the block, Ctrl-C included, ends them at once.
    """
    made: list[Processes] = []

    def given() -> Executor | None:
        if count == 1:
            return None
        if not made:
            made.append(processes(count))
        return made[0]

    try:
        yield given
    except BaseException:
        for one in made:
            one.end()
        raise
    finally:
        for one in made:
            one.shutdown(cancel_futures=True)


def cores() -> int:
    """The number of processes or threads that may work side by side."""
    return settings().workers


def in_threads[Part](work: Callable[[Part], object], parts: Iterable[Part], *, rows: int) -> None:
    """Do `work` for every part: in threads from `PARALLEL_FROM` rows on.

    The work has to be compiled code that holds no lock, and must not call this function.
    """
    if rows < PARALLEL_FROM:
        for part in parts:
            work(part)
    else:
        list(_threads().map(work, parts))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="compiled")


LOCAL = "local"
LOSSES = 3
"""A task that has lost so many workers is not tried again, and the job ends. Dask tries as often by its default."""
CONNECT_SECONDS = 10
"""A scheduler that does not answer within this time is not there."""
_TLS_FILES = {"tls_ca_file": "CA_FILE", "tls_client_cert": "CLIENT__CERT", "tls_client_key": "CLIENT__KEY"}
GO_ON = "Then start the same command again: it goes on from what is stored."


class Scheduler(NamedTuple):
    """The address of a Dask scheduler; anything but this machine itself is reached by TLS only."""

    host: str
    port: int
    is_tls: bool

    @property
    def uri(self) -> str:
        """The address in Dask's form."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.is_tls else 'tcp'}://{host}:{self.port}"


def scheduler_of(engine: str) -> Scheduler | None:
    """The scheduler that an engine names, None for "local".

    Raises:
        ConfigurationError: it is neither "local" nor an address, or an address without TLS that is not this machine's.
    """
    if engine == LOCAL:
        return None
    found = re.fullmatch(r"(dask|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):(\d{1,5})/?", engine)
    if found is None or not 0 < int(found[3]) < 2**16:
        raise ConfigurationError(
            f"NOWCAST_ENGINE is {engine!r}, which is no engine.",
            remedy="Use local, dask://127.0.0.1:8786 for a scheduler on this machine, or tls://HOST:PORT.",
            variable="NOWCAST_ENGINE",
            value=engine,
        )
    host = found[2].strip("[]")
    if found[1] == "dask" and not _is_this_machine(host):
        raise ConfigurationError(
            f"NOWCAST_ENGINE is {engine!r}: Dask's messages are pickles, which may run anything, and this address has "
            "no encryption.",
            remedy=f"Use tls://{found[2]}:{found[3]}, with certificates for scheduler, workers and this client; "
            "docs/scale.md shows how.",
            variable="NOWCAST_ENGINE",
            value=engine,
        )
    return Scheduler(host, int(found[3]), found[1] == "tls")


def _is_this_machine(host: str) -> bool:
    """Whether a host is a loopback address. Of names only localhost counts: a name server decides about others."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def source_digest(package: Path | None = None, *, without: Sequence[str] = ()) -> str:
    """SHA-256 over names and texts of all modules in a copy of this package, by default in the one that is installed.

    Args:
        package: folder of the package.
        without: names of folders and modules in it that do not count.
    """
    package, digest = package or Path(__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in without:
            digest.update(hashlib.sha256(path.read_bytes()).hexdigest().encode() + name.as_posix().encode() + b"\0")
    return digest.hexdigest()


class Engine(Protocol):
    """Does tasks in worker processes that live as long as the engine."""

    def each[Task, Result](
        self, work: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """Do `work` for every task; yields each task with its result in the order of their ends.

        `work` is a function of a module, and tasks and results are small: what is large lies where a task says. A task
        whose worker is lost is done again, so it must give the same when it is repeated. Locally, the task with the
        same place in `tasks` goes to the same worker as before: workers keep in memory what they read.

        Raises:
            EngineError: the scheduler was lost, a worker has other code than this process, or a task lost `LOSSES`
                workers.
        """
        ...


@contextmanager
def engine(name: str, count: int) -> Iterator[Engine]:
    """The engine of this name for the length of the block: "local" with `count` processes, or a Dask scheduler.

    Raises:
        ConfigurationError: the name is no engine, or its address may not be used.
        EngineError: the scheduler does not answer, or its workers have other code than this process.
    """
    scheduler = scheduler_of(name)
    if scheduler is None:
        local = _Local(count)
        try:
            yield local
        finally:
            for one in local.pools:
                one.end()
    else:
        with _connected(scheduler) as client:
            digest = source_digest()
            _check_code(client, scheduler, digest)
            yield _Dask(client, scheduler, digest)


class _Local:
    """An executor of one process for each worker, so that it is known which task ended it."""

    def __init__(self, count: int) -> None:
        self.pools = [processes(1) for _ in range(count)]

    def each[Task, Result](
        self, work: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """As `Engine` says."""
        losses, left = [0] * len(tasks), dict[Future[Result], tuple[int, Processes]]()

        def submit(n: int) -> None:
            place = n % len(self.pools)
            left[self.pools[place].submit(work, tasks[n])] = n, self.pools[place]

        for n in range(len(tasks)):
            submit(n)
        try:
            while left:
                for future in wait(left, return_when=FIRST_COMPLETED).done:
                    n, executor = left.pop(future)
                    try:
                        yield tasks[n], future.result()
                    except BrokenProcessPool as error:
                        again = [n, *(other for other, own in left.values() if own is executor)]
                        losses[min(again)] += 1  # a process works on its tasks in their order
                        if losses[min(again)] >= LOSSES:
                            raise _lost_workers(LOCAL, len(left) + 1) from error
                        left = {one: told for one, told in left.items() if told[1] is not executor}
                        self.pools[self.pools.index(executor)] = processes(1)
                        for other in sorted(again):
                            submit(other)
                        break
        finally:
            for future in left:
                future.cancel()


class _Dask:
    def __init__(self, client: "Client", scheduler: Scheduler, digest: str) -> None:
        self._client, self._scheduler, self._digest = client, scheduler, digest

    def each[Task, Result](
        self, work: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """As `Engine` says."""
        from distributed import CancelledError, KilledWorker, as_completed  # noqa: PLC0415 - an optional package

        client, futures = self._client, {}
        try:
            for task in tasks:  # none asks for its usual worker: Dask would wait for it for ever if it were lost
                futures[client.submit(_checked, self._digest, work, task, pure=False)] = task
            for future in as_completed(futures, loop=client.loop):
                yield futures[future], future.result()
        except KilledWorker as error:
            raise _lost_workers(self._scheduler.uri, len(tasks)) from error
        except (CancelledError, OSError) as error:
            raise EngineError(
                f"The scheduler {self._scheduler.uri} was lost.",
                remedy=f"Start it again. {GO_ON}",
                engine=self._scheduler.uri,
            ) from error
        finally:
            if client.status == "running":
                client.cancel(list(futures))


def _checked[Task, Result](digest: str, work: Callable[[Task], Result], task: Task) -> Result:
    """Do the work in a worker, if its code is that of the process that asks: workers may join at any time."""
    if _own_digest() != digest:
        raise _other_code("a worker", "its scheduler")
    return work(task)


@cache
def _own_digest() -> str:
    return source_digest()


@contextmanager
def _connected(scheduler: Scheduler) -> "Iterator[Client]":
    """A client of a scheduler; nothing is sent before the certificates are found.

    Raises:
        ConfigurationError: a certificate is missing, or Dask is not installed.
        EngineError: the scheduler does not answer.
    """
    try:
        from distributed import Client, Security  # noqa: PLC0415 - an optional package
    except ImportError as error:
        what = "NOWCAST_ENGINE names a Dask scheduler, and the package distributed is not installed."
        raise ConfigurationError(what, remedy=install_remedy("dask"), variable="NOWCAST_ENGINE") from error
    security = _secured(Security(require_encryption=True)) if scheduler.is_tls else Security()
    try:
        client = Client(scheduler.uri, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"The scheduler {scheduler.uri} does not answer: {str(error).partition(chr(10))[0].rstrip('.')}.",
            remedy=f"Start it, or correct NOWCAST_ENGINE. {GO_ON}",
            engine=scheduler.uri,
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=CONNECT_SECONDS)


def _secured(security: "Security") -> "Security":
    """Dask's own settings of TLS, complete.

    Raises:
        ConfigurationError: one of the three files is not named or not there.
    """
    for name, words in _TLS_FILES.items():
        given = getattr(security, name)
        if given is None or not Path(given).is_file():
            what = "is not set" if given is None else f"names {given}, which is no file"
            variable = f"DASK_DISTRIBUTED__COMM__TLS__{words}"
            raise ConfigurationError(
                f"NOWCAST_ENGINE asks for TLS, and {variable} {what}.",
                remedy="Name the authority's certificate, and this client's certificate and key; docs/scale.md.",
                variable=variable,
            )
    return security


def _check_code(client: "Client", scheduler: Scheduler, digest: str) -> None:
    """Check that there are workers, and that each has the code of this process.

    Raises:
        EngineError: there is none within `CONNECT_SECONDS`, or one has other code.
    """
    from distributed import TimeoutError as NoWorkerError  # noqa: PLC0415 - an optional package

    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (NoWorkerError, TimeoutError) as error:
        raise EngineError(
            f"The scheduler {scheduler.uri} has no worker.",
            remedy=f"Start workers: dask worker {scheduler.uri}. {GO_ON}",
            engine=scheduler.uri,
        ) from error
    told = client.run(source_digest, on_error="return")
    for worker, found in told.items():
        if found != digest:
            raise _other_code(worker, scheduler.uri)


def _other_code(worker: str, engine: str) -> EngineError:
    return EngineError(
        f"The worker {worker} of {engine} has other code of power-nowcast than this process, or none.",
        remedy="Install the same version for scheduler, workers and this command, then start the workers again.",
        engine=engine,
        worker=worker,
    )


def _lost_workers(engine: str, left: int) -> EngineError:
    return EngineError(
        f"A task has lost {LOSSES} workers one after the other ({engine}); {left} tasks are not done.",
        remedy="A worker is killed where its machine has too little memory: use fewer workers (NOWCAST_WORKERS), or "
        f"more memory for each. {GO_ON}",
        engine=engine,
        left=left,
    )
