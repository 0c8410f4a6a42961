"""Prometheus metrics.

With METRICS_DIR set, all processes of the machine count together and any of them can be scraped.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # The library asks for the pid at each count, in case of a fork. No process of ours forks, and the call
    # costs more than the count.
    values.ValueClass = values.MultiProcessValue(  # pyright: ignore[reportUnknownMemberType]
        process_identifier=partial(int, os.getpid())
    )

REQUESTS = Counter("zstack_http_requests_total", "HTTP requests answered", ["api", "status"])
REQUEST_SECONDS = Histogram(
    "zstack_http_request_seconds",
    "Time to answer a request",
    ["method"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10),
)
ACCEPTED = Counter("zstack_jobs_accepted_total", "Jobs stored before their 202 was sent", ["api"])
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


@lru_cache(4096)
def _request_metrics(api: str, status: int, method: str) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(api, status), REQUEST_SECONDS.labels(method)


def count_request(api: str, status: int, method: str, seconds: float) -> None:
    """Count one answered request."""
    count, times = _request_metrics(api, status, method)
    count.inc()
    times.observe(seconds)


def render(metrics_dir: str, database: dict[str, float]) -> bytes:
    """The exposition text: the counted metrics and, as gauges, what the database was just asked for."""
    registry = REGISTRY
    if metrics_dir:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=metrics_dir)
    lines = [generate_latest(registry).decode()]
    for name, value in database.items():
        lines.append(f"# TYPE {name} gauge\n{name} {value}\n")
    return "".join(lines).encode()
