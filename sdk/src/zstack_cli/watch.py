"""Watching live: jobs by the service's event stream, webhooks and audits by asking every two seconds."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import parse_qs, urlsplit

from zstack_cli.desk import Desk
from zstack_sdk import (
    ConnectionFailed,
    ListApiJobsAction,
    ListWebhookDeliveriesAction,
    QueryAuditAction,
    ZStackError,
)

_EVERY_S = 2.0
_AGAIN_S = 1.0
_SILENCE_S = 60.0
_KNOWN = 500  # more than a stream tells again


def jobs(desk: Desk, count: int, *, follow: bool) -> None:
    """The last jobs, and then every one that is accepted or changes. Raises Failure."""
    newest = _asked(desk, lambda: [ListApiJobsAction(limit=1).call(desk.client).value.next])[0]
    rows = _asked(desk, lambda: ListApiJobsAction(limit=_KNOWN).call(desk.client).value.inventories)
    for row in reversed(rows[:count]):
        _write(desk, _job(row.to_dict()))
    if not follow:
        return
    # The stream goes on behind a job that the list has for certain, and tells some of the earlier ones again.
    position = parse_qs(urlsplit(newest or "").query).get("before", ["0"])[0]
    known = {row.uuid: row.state for row in rows}
    for event in _events(desk, position):
        if known.pop(event["uuid"], "") != event["state"]:
            _write(desk, _job(event))


def webhooks(desk: Desk, count: int, *, follow: bool) -> None:
    """The last deliveries, and then every one that is made or changes."""

    def rows() -> list[dict[str, Any]]:
        found = ListWebhookDeliveriesAction(limit=count).call(desk.client).value.inventories
        return [row.to_dict() for row in reversed(found)]

    _poll(desk, rows, _delivery, follow=follow)


def audits(desk: Desk, count: int, *, follow: bool) -> None:
    """The last lines of the audit trail, and then every new one."""

    def rows() -> list[dict[str, Any]]:
        query = QueryAuditAction(sortBy="id", sortDirection="desc", limit=count)
        return [row.to_dict() for row in reversed(query.call(desk.client).value.inventories)]

    _poll(desk, rows, _audit, follow=follow)


def _poll(
    desk: Desk,
    rows: Callable[[], list[dict[str, Any]]],
    line: Callable[[dict[str, Any]], list[str]],
    *,
    follow: bool,
) -> None:
    seen: dict[Any, dict[str, Any]] = {}
    while True:
        found = _asked(desk, rows)
        for row in found:
            if seen.get(row["id"]) != row:
                _write(desk, line(row))
        seen = {row["id"]: row for row in found}
        if not follow:
            return
        time.sleep(_EVERY_S)


def _asked(desk: Desk, ask: Callable[[], list[Any]]) -> list[Any]:
    try:
        return ask()
    except ZStackError as error:
        raise desk.failure_of(error) from error


def _events(desk: Desk, last: str) -> Iterator[dict[str, Any]]:
    """The events of all jobs behind the last one. A stream that ends or breaks is taken up again."""
    failed_since = 0.0
    while True:
        try:
            for seen, event in _stream(desk, last):
                last, failed_since = seen, 0.0
                yield event
        except (OSError, HTTPException) as error:
            failed_since = failed_since or time.monotonic()
            if time.monotonic() - failed_since > desk.client.patience.retry_s:
                raise desk.failure_of(ConnectionFailed(str(error))) from error
            time.sleep(_AGAIN_S)


def _stream(desk: Desk, last: str) -> Iterator[tuple[str, dict[str, Any]]]:
    client = desk.client
    target = client.poll_target("events")
    connection = client.transport.connection()
    connection.timeout = _SILENCE_S
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    try:
        connection.request("GET", target, headers=headers | client.sign("GET", target))
        response = connection.getresponse()
        if response.status != 200:
            from zstack_sdk import ErrorCode

            body: Any = json.loads(response.read() or b"{}")
            raise desk.refused(ErrorCode.of(body.get("error", {})))
        event: dict[str, str] = {}
        for raw in response:
            line = raw.decode().rstrip("\r\n")
            name, _, value = line.partition(":")
            if line:
                event[name] = value.strip()
            elif event.get("event") == "job":
                yield event.get("id", ""), json.loads(event["data"])
                event = {}
            else:
                event = {}
    finally:
        connection.close()


def _job(row: dict[str, Any]) -> list[str]:
    began, ended = row.get("startedAt"), row.get("finishedAt")
    lasted = (
        f"{(datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds():.2f}s"
        if began and ended
        else ""
    )
    return [
        _clock(row["acceptedAt"]),
        row["uuid"],
        row["state"],
        row["api"],
        lasted,
        row.get("targetUuid") or "",
    ]


def _delivery(row: dict[str, Any]) -> list[str]:
    result = str(row.get("lastStatus") or row.get("lastError") or "")
    return [str(row["createDate"]), row["jobUuid"], row["state"], str(row["attempts"]), result, row["url"]]


def _audit(row: dict[str, Any]) -> list[str]:
    who = str(row.get("userUuid") or row.get("accountUuid") or "")
    return [
        str(row["createDate"]),
        who,
        row["outcome"],
        row["api"],
        row.get("errorCode") or "",
        row.get("target") or "",
    ]


def _clock(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")


def _write(desk: Desk, cells: list[str]) -> None:
    colours = {"succeeded": 32, "delivered": 32, "failed": 31, "dead": 31, "refused": 31, "running": 36}
    if desk.colour:
        cells = [f"\x1b[{colours[cell]}m{cell}\x1b[0m" if cell in colours else cell for cell in cells]
    sys.stdout.write("\t".join(cells).rstrip() + "\n")
    sys.stdout.flush()
