"""Long jobs as clients see them, and what may be one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import orjson

from zstack_mgmt.core.errors import BadRequest, InvalidArgument
from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.core.registry import APIS, Api
from zstack_mgmt.doc import Bound, Doc

MAX_DATA_BYTES: Annotated[int, Doc("bytes of a long job's `jobData`"), Bound("BadRequest")] = 65_536

LongJobState = Literal["Waiting", "Running", "Canceling", "Succeeded", "Failed", "Canceled"]
ENDED = frozenset(("Succeeded", "Failed", "Canceled"))
_FOR_ITS_CALLER = frozenset(("CreateAccessKey", "RequestConsoleAccess"))
"""APIs whose answers open something: others of the account may read a long job's."""
_OF_A_MESSAGE = frozenset(("session", "timeout", "id", "serviceId", "headers", "creatingBundles", "callid"))


@inventory(
    "org.zstack.header.longjob.LongJobInventory",
    table="long_job_states",
    resource_type="LongJobVO",
    owned=True,
    java_fields={"state": "org.zstack.header.longjob.LongJobState"},
    noun="long job",
)
class LongJob(Inventory):
    """An API job under a name. Source: ZStack's API of long jobs."""

    uuid: str
    name: str
    description: str | None
    api_id: Annotated[str, Doc("uuid of the API job")]
    job_name: Annotated[str, Doc("message class of the API, `APIAddImageMsg`")]
    job_data: Annotated[str, Doc("the API's parameters as JSON text, without secrets")]
    job_result: Annotated[str | None, Doc("the answer as JSON text, once it has ended")]
    state: Annotated[LongJobState, Doc("how the API job stands")]
    target_resource_uuid: str | None
    execute_time: Annotated[int | None, Doc("seconds that it has run")]
    create_date: datetime
    last_op_date: datetime


def api_of(job_name: str) -> Api:
    """The API that a long job may call under this name, `APIAddImageMsg` or `AddImage`.

    Raises InvalidArgument: there is none, it is answered at once, or its answer is for its caller alone.
    """
    short = job_name.rpartition(".")[2]
    declared = APIS.get(short.removeprefix("API").removesuffix("Msg"))
    if declared is None or declared.mode != "job" or declared.feature == "longjobs":
        raise InvalidArgument(f"no API that makes a job has the message {job_name[:200]}")
    if declared.name in _FOR_ITS_CALLER:
        raise InvalidArgument(f"the answer of {declared.name} is for its caller alone; call it directly")
    return declared


def parameters_of(data: str) -> Mapping[str, Any]:
    """The parameters in `jobData`. Raises BadRequest."""
    try:
        values = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadRequest("jobData must be JSON text") from None
    if not isinstance(values, dict):
        raise BadRequest("jobData must be the text of a JSON object")
    given = cast("dict[str, Any]", values)
    return {name: value for name, value in given.items() if name not in _OF_A_MESSAGE and value is not None}
