"""A request, its job, the calls on a host and the webhook are one trace."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import Service
from receivers import receiver
from zstack_mgmt import tracing
from zstack_mgmt.config import ConfigError, Settings
from zstack_mgmt.engine import traces

ABOVE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """What this process has traced."""
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracing.use(provider)
    yield memory
    tracing.use(None)
    provider.shutdown()


async def spans_of(exporter: InMemorySpanExporter, trace: int, wanted: set[str]) -> dict[str, ReadableSpan]:
    """The spans of a trace by their names, as soon as there are all of these."""
    async with asyncio.timeout(20):
        while True:
            found = {
                span.name: span
                for span in exporter.get_finished_spans()
                if span.context and span.context.trace_id == trace
            }
            if wanted <= set(found):
                return found
            await asyncio.sleep(0.05)


async def test_a_change_is_one_trace_from_the_request_to_the_webhook(
    exporter: InMemorySpanExporter, service: Service
) -> None:
    zone = await service.admin.create("/zones", name="z")
    params = {"name": "c", "zoneUuid": zone["uuid"], "hypervisorType": "Simulator"}
    cluster = await service.admin.create("/clusters", **params)
    params = {"name": "h", "managementIp": "10.9.9.9", "clusterUuid": cluster["uuid"]}
    async with receiver() as hook:
        headers = {"traceparent": ABOVE, "X-Web-Hook": hook.url}
        made = await service.admin.job("POST", "/hosts/simulators", {"params": params}, headers=headers)
        host = made.inventory["uuid"]
        trace, above = (int(part, 16) for part in ABOVE.split("-")[1:3])
        request, job, webhook = "POST AddSimulatorHost", "job AddSimulatorHost", "webhook"
        found = await spans_of(exporter, trace, {request, job, webhook})
    assert found[request].parent is not None
    assert found[request].parent.span_id == above, "the caller's trace goes on"
    for name in (job, webhook):
        parent, cause = found[name].parent, found[request].context
        assert parent is not None
        assert cause is not None
        assert parent.span_id == cause.span_id
    (on_host,) = [span for name, span in found.items() if name.startswith("host ")]
    assert dict(on_host.attributes or {}) == {"zstack.host": host}
    assert on_host.parent is not None
    assert found[job].context is not None
    assert on_host.parent.span_id == found[job].context.span_id


async def test_without_traces_nothing_is_kept(service: Service) -> None:
    await service.admin.create("/zones", name="z")
    assert await service.db.fetchval("SELECT count(*) FROM job_traces") == 0
    assert tracing.current() == ""


async def test_what_is_older_than_any_job_is_forgotten(service: Service) -> None:
    await service.db.execute(
        "INSERT INTO job_traces (job_uuid, traceparent, create_date)"
        " VALUES ('old', $1, now() - interval '2 hours'), ('new', $1, now())",
        ABOVE,
    )
    assert await traces.forget_old(service.db, 3600.0, 10) == 1
    assert await service.db.fetchval("SELECT job_uuid FROM job_traces") == "new"


def test_traces_without_the_extra_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(ConfigError, match=r"TRACES=otlp needs the extra"):
        tracing.start(replace(Settings(), traces="otlp"), "serve")
    assert not tracing.is_on()
