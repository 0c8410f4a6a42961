"""Finding resources by the beginnings of their names, for completion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zstack_cli.completion import query_for
from zstack_sdk.apis import data
from zstack_sdk.errors import ZStackError

if TYPE_CHECKING:
    from zstack_cli.desk import Desk

_KEPT_S = 10.0
_MOST = 50
_PATIENCE_S = 2.0


class Names:
    """Asks the service, and remembers the answer for some seconds; without one there are no candidates."""

    def __init__(self, desk: Callable[[], Desk]) -> None:
        self._desk = desk  # asked each time: a login changes it
        self._kept: dict[tuple[str, str], tuple[float, list[tuple[str, str]]]] = {}

    def __call__(self, kind: str, beginning: str) -> Sequence[tuple[str, str]]:
        at, found = self._kept.get((kind, beginning), (0.0, []))
        if time.monotonic() - at < _KEPT_S:
            return found
        try:
            found = self._ask(kind, beginning)
        except ZStackError:
            return []
        self._kept[kind, beginning] = (time.monotonic(), found)
        return found

    def _ask(self, kind: str, beginning: str) -> list[tuple[str, str]]:
        import zstack_sdk

        fields = data()["inventories"][kind]["fields"]
        if "uuid" not in fields:
            return []
        desk = self._desk()
        client = zstack_sdk.Client(
            desk.url,
            session_id=desk.client.session_id,
            access_key=desk.client.access_key,
            patience=zstack_sdk.Patience(timeout_s=_PATIENCE_S, retry_s=0),
        )
        found: dict[str, str] = {}
        shown = [name for name in ("uuid", "name") if name in fields]
        escaped = beginning.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        with client:
            for name in reversed(shown):
                action: Any = getattr(zstack_sdk, f"{query_for(kind)}Action")(limit=_MOST, fields=shown)
                action.conditions = [f"{name}~={escaped}%"] if beginning else []
                rows: list[Any] = action.call(client).value.inventories
                found |= {row.uuid: row.to_dict().get("name", "") for row in rows}
                if not beginning:
                    break
        return sorted(found.items(), key=lambda item: item[1])
