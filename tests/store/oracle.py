"""What was known when, worked out from a list of deliveries by plain loops: nothing of the project's code is used."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

SLOT = timedelta(minutes=5)
LIVE = timedelta(hours=3)

type Key = tuple[str, datetime]


@dataclass
class Version:
    known_at: datetime
    number: int  # of the delivery that brought it
    value: float
    is_computed: bool = False


@dataclass
class Look:
    """A delivery that came before: when, from where if it was live, and what it covered."""

    at: datetime
    address: str | None
    series: set[str]
    first: datetime
    last: datetime


@dataclass
class Oracle:
    """Versions of every value in the order in which they came."""

    delay: timedelta
    versions: dict[Key, list[Version]] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)

    def take_power(
        self, rows: list[tuple[str, datetime, float | None]], *, now: datetime, received: datetime | None, address: str
    ) -> None:
        """Values by their stamps, None where the file has none; `received` where it came live."""
        newest: dict[Key, tuple[datetime, float]] = {}
        for series, stamp, value in rows:
            key = (series, up(stamp))
            if value is not None and (key not in newest or newest[key][0] <= stamp):
                newest[key] = (stamp, value)
        number = len(self.looks)
        for key, (_, value) in newest.items():
            told = self.versions.setdefault(key, [])
            if not told:
                told.append(self._first(key, value, number, now, received, address))
            elif told[-1].value != value:
                told.append(Version(max(now, told[-1].known_at), number, value))
        stamps = [slot for _, slot in newest] + [stamp for _, stamp, value in rows if value is None]
        names = {series for series, _, _ in rows}
        self.looks.append(Look(received or now, address if received else None, names, min(stamps), max(stamps)))

    def _first(
        self, key: Key, value: float, number: int, now: datetime, received: datetime | None, address: str
    ) -> Version:
        series, slot = key
        if received is not None and slot >= received - LIVE:
            return Version(max(received, slot), number, value)
        computed = slot + self.delay
        for look in self.looks:
            is_covered = series in look.series and look.first <= slot <= look.last
            is_asked = received is not None and look.address == address
            if look.at >= computed and (is_covered or is_asked):
                return Version(now, number, value)
        return Version(computed, number, value, is_computed=True)

    def take_forecast(
        self, rows: list[tuple[str, datetime, float]], *, written: datetime, now: datetime, received: datetime
    ) -> None:
        """One vintage of one address."""
        number = len(self.looks)
        is_behind = any(look.at >= written for look in self.looks)
        for series, valid_at, value in rows:
            told = self.versions.setdefault((series, valid_at), [])
            again = [one for one in told if one.value == value and one.known_at >= written]
            if is_behind and not again:
                told.append(Version(now, number, value))
            elif not is_behind:
                told.append(Version(written, number, value))
        self.looks.append(Look(received, "forecast", set(), received, received))

    def at(self, time: datetime, start: datetime, end: datetime, *, more: timedelta = timedelta()) -> dict[Key, float]:
        """Values with a time in start..end that were known; `more` is added to times that were computed."""
        known = {}
        for key, told in self.versions.items():
            if not start <= key[1] <= end:
                continue
            best = None
            for version in told:
                known_at = version.known_at + (more if version.is_computed else timedelta())
                if known_at <= time and (best is None or (known_at, version.number) > best[:2]):
                    best = known_at, version.number, version.value
            if best is not None:
                known[key] = best[2]
        return known


def up(stamp: datetime) -> datetime:
    """The end of the slot of five minutes that a stamp falls into."""
    over = (stamp - datetime(2000, 1, 1, tzinfo=stamp.tzinfo)) % SLOT
    return stamp if not over else stamp - over + SLOT
