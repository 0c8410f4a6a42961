"""OpenTelemetry traces, if TRACES asks for them: request, job, calls on hosts and webhook are one trace.

Nothing is imported and nothing is measured while they are off.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from zstack_mgmt import __version__
from zstack_mgmt.config import ConfigError, Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

Kind = Literal["SERVER", "CONSUMER", "CLIENT"]


class _State:
    tracer: Tracer | None = None


def start(settings: Settings, process: str) -> None:
    """Send the traces of this process where the OTEL_* variables say, if TRACES is set.

    Raises: ConfigError without the extra `traces`.
    """
    if settings.traces == "off":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(
            f"TRACES={settings.traces} needs the extra `traces`: pip install 'zstack-mgmt[traces]'"
        ) from error
    named = {"service.name": "zstack-mgmt", "service.version": __version__, "service.instance.id": process}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # flushed at the end of the process
    use(provider)


def use(provider: TracerProvider | None) -> None:
    """Trace with this provider; None: not at all."""
    _State.tracer = provider.get_tracer("zstack_mgmt", __version__) if provider else None


def is_on() -> bool:
    """Whether this process traces."""
    return _State.tracer is not None


_NO_SPAN: AbstractContextManager[None] = nullcontext()


def span(
    name: str, kind: Kind, parent: str | None = None, fields: Mapping[str, str] | None = None
) -> AbstractContextManager[None]:
    """Note the time of a block.

    Args:
        parent: the `traceparent` (W3C Trace Context) of what has caused it; None: what goes on around it.
    """
    return _NO_SPAN if _State.tracer is None else _span(_State.tracer, name, kind, parent, fields)


@contextmanager
def _span(
    tracer: Tracer, name: str, kind: Kind, parent: str | None, fields: Mapping[str, str] | None
) -> Generator[None]:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    with tracer.start_as_current_span(name, context, SpanKind[kind], fields):
        yield


def rename(name: str) -> None:
    """Give what goes on around it a better name, now that it is known."""
    if _State.tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().update_name(name)


def current() -> str:
    """The `traceparent` of what goes on; empty: nothing is traced."""
    if _State.tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")
