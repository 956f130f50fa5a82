"""Metrics of the service in Prometheus' format: requests as they are answered, regions as they are when asked."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from power_nowcast.errors import StoreError
from power_nowcast.live.nowcaster import Quality
from power_nowcast.serve.alarms import alarm_cards
from power_nowcast.serve.service import Served, Service
from power_nowcast.store.events import Kind

PREFIX = "power_nowcast"
SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
"""Upper bounds of the histogram of answer times."""
UNKNOWN_ROUTE = "none"
"""The route of requests that no route answers: their paths are the caller's, and would grow without bound."""


class Metrics:
    """The metrics of one service, in a registry of its own."""

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            f"{PREFIX}_requests", "Requests that were answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            f"{PREFIX}_request_seconds", "Time to answer.", ("route",), buckets=SECONDS, registry=self._registry
        )
        self._registry.register(_Regions(service))
        ProcessCollector(registry=self._registry)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _Regions(Collector):
    """The state of each region at the moment at which it is asked for."""

    def __init__(self, service: Service) -> None:
        self._service, self._begun = service, service.clock()

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask the service before it runs."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        now = self._service.clock()
        ready = GaugeMetricFamily(
            f"{PREFIX}_ready", "1 if the region has a model and new enough data.", labels=["region"]
        )
        model = GaugeMetricFamily(
            f"{PREFIX}_model_info", "The version that answers.", labels=["region", "model", "version", "digest"]
        )
        events = CounterMetricFamily(f"{PREFIX}_events", "Events since the service began.", labels=["region", "kind"])
        for name, state in self._service.readiness().regions.items():
            ready.add_metric([name], float(state.ready))
        for card in self._service.models():
            model.add_metric([card.region, card.model.name, card.model.version, card.model.digest], 1.0)
        for name, one in self._service.served.items():
            for kind, count in self._counted(name, one).items():
                events.add_metric([name, kind], count)
        yield from (ready, model, events, *self._published(now), *self._watched(now))

    def _published(self, now: datetime) -> Iterator[Metric]:
        """What the newest nowcast of each followed region says."""
        age = GaugeMetricFamily(f"{PREFIX}_age_seconds", "Age of the newest nowcast.", labels=["region"])
        left = GaugeMetricFamily(
            f"{PREFIX}_expires_seconds",
            "Time until the next nowcast is due; negative if it is late.",
            labels=["region"],
        )
        delay = GaugeMetricFamily(
            f"{PREFIX}_delay_seconds",
            "Time from the issue time of the newest nowcast to its publication.",
            labels=["region"],
        )
        data = GaugeMetricFamily(f"{PREFIX}_data_age_seconds", "Age of the newest data.", labels=["region", "table"])
        quality = GaugeMetricFamily(
            f"{PREFIX}_quality", "1 for the quality of the newest nowcast.", labels=["region", "series", "quality"]
        )
        for name in self._service.served:
            edition = self._service.present.of(name)
            if edition is None:
                continue
            one = edition.published
            age.add_metric([name], (now - one.published_at).total_seconds())
            left.add_metric([name], (one.expires_at - now).total_seconds())
            delay.add_metric([name], (one.published_at - one.issue_time).total_seconds())
            for table, newest in one.sources.items():
                if newest is not None:
                    data.add_metric([name, table], (now - newest).total_seconds())
            for series, told in zip(one.nowcast.series, one.nowcast.quality, strict=True):
                for possible in Quality:
                    quality.add_metric([name, series, possible.value], float(told is possible))
        yield from (age, left, delay, data, quality)

    def _watched(self, now: datetime) -> Iterator[Metric]:
        """The numbers of the watch at its last look, and the alarms that stand."""
        numbers = GaugeMetricFamily(
            f"{PREFIX}_watch",
            "The numbers of the watch: about a series, a table or a rung; of a block of the local day; over minutes.",
            labels=["region", "number", "about", "block", "minutes"],
        )
        standing = GaugeMetricFamily(
            f"{PREFIX}_alarm",
            "1 for an alarm that stands and is open, 0 if it is acknowledged or shelved.",
            labels=["region", "alarm", "severity"],
        )
        for name, one in self._service.served.items():
            if one.watch is None:
                continue
            for row in one.watch.measured.iter_rows(named=True):
                block = "" if row["block"] is None else str(row["block"])
                numbers.add_metric([name, row["number"], row["about"], block, str(row["minutes"])], row["value"])
            with suppress(StoreError):  # a damaged table is no reason to lose every other metric
                for card in alarm_cards(self._service.store, name, now):
                    severity = "critical" if card.critical else "warning"
                    standing.add_metric([name, card.name, severity], float(card.open))
        yield from (numbers, standing)

    def _counted(self, name: str, one: Served) -> dict[str, int]:
        """Number of events by kind; all zero for a region that this process does not follow."""
        counted = dict.fromkeys((kind.value for kind in Kind), 0)
        if one.loop is not None:
            try:
                found = self._service.events([name], self._begun)
            except StoreError:
                return {}  # a damaged table is no reason to lose every other metric
            for event in found:
                counted[event.kind.value] += 1
        return counted
