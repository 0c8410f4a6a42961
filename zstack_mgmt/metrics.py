"""Prometheus metrics.

With METRICS_DIR set, all processes of the machine count together and any of them can be scraped.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol
from weakref import WeakSet

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # The library asks for the pid at each count, in case of a fork. Asking the system costs more than the
    # count.
    _pid = [os.getpid()]
    os.register_at_fork(after_in_child=lambda: operator.setitem(_pid, 0, os.getpid()))
    values.ValueClass = values.MultiProcessValue(  # pyright: ignore[reportUnknownMemberType]
        process_identifier=partial(_pid.__getitem__, 0)
    )

REQUESTS = Counter("zstack_http_requests_total", "HTTP requests answered", ["api", "status"])
REQUEST_SECONDS = Histogram(
    "zstack_http_request_seconds",
    "Time to answer a request",
    ["method"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10),
)
_ACCEPTED = Counter("zstack_jobs_accepted_total", "Jobs stored before their 202 was sent", ["api"])
FINISHED = Counter("zstack_jobs_finished_total", "Jobs ended", ["api", "state"])
RUN_SECONDS = Histogram(
    "zstack_job_run_seconds",
    "Time a job ran",
    ["api"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600),
)
WAIT_SECONDS = Histogram(
    "zstack_job_wait_seconds",
    "Time from acceptance to claim",
    buckets=(0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600),
)
WEBHOOK_ATTEMPTS = Counter("zstack_webhook_attempts_total", "Webhook attempts", ["outcome"])
POOL_CONNECTIONS = Gauge(
    "zstack_db_pool_connections", "Connections of the pools", ["state"], multiprocess_mode="livesum"
)
OUTSIDE_JOBS = Gauge(
    "zstack_outside_jobs",
    "Jobs at a host, or in line for it",
    ["host", "state"],
    multiprocess_mode="livesum",
)


@lru_cache(4096)
def _request_metrics(api: str, status: int, method: str) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(api, status), REQUEST_SECONDS.labels(method)


def count_request(api: str, status: int, method: str, seconds: float) -> None:
    """Count one answered request."""
    count, times = _request_metrics(api, status, method)
    count.inc()
    times.observe(seconds)


@lru_cache(4096)
def accepted(api: str) -> Counter:
    """The count of the jobs of one API that were accepted."""
    return _ACCEPTED.labels(api)


@dataclass(frozen=True, slots=True)
class Figure:
    """A gauge whose values were just asked for: they are nobody's count.

    Attributes: values: by the value of `label`; where there is no label, under the empty name.
    """

    name: str
    about: str
    values: Mapping[str, float]
    label: str = ""

    def lines(self) -> str:
        """Its part of the exposition text."""
        head = f"# HELP {self.name} {self.about}\n# TYPE {self.name} gauge\n"
        named = (f'{{{self.label}="{value}"}}' if self.label else "" for value in self.values)
        return head + "".join(
            f"{self.name}{name} {value}\n" for name, value in zip(named, self.values.values(), strict=True)
        )


class Pool(Protocol):
    """A pool of connections that can be counted."""

    @property
    def size(self) -> int: ...

    @property
    def idle(self) -> int: ...


_POOLS: WeakSet[Pool] = WeakSet()


def count_pool(pool: Pool) -> None:
    """Count the connections of a pool, for as long as there is one, with each scrape of its process."""
    _POOLS.add(pool)


def render(metrics_dir: str, figures: Iterable[Figure]) -> bytes:
    """The exposition text: the counted metrics, and what servers were just asked for."""
    POOL_CONNECTIONS.labels("open").set(sum(pool.size for pool in _POOLS))
    POOL_CONNECTIONS.labels("idle").set(sum(pool.idle for pool in _POOLS))
    registry = REGISTRY
    if metrics_dir:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=metrics_dir)
    return generate_latest(registry) + "".join(figure.lines() for figure in figures).encode()
