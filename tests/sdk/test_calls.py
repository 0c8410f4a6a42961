"""What a program does with the SDK: calls, results, errors, sessions, access keys, pages."""

import asyncio

import pytest

from app import ADMIN, Service
from sdk.conftest import InThread
from zstack_sdk import (
    AccessKey,
    ApiError,
    Client,
    ConnectionFailed,
    CreateAccessKeyAction,
    CreateZoneAction,
    DeleteZoneAction,
    GetVersionAction,
    ListApiJobsAction,
    LogInByAccountAction,
    MissingParameter,
    Patience,
    QueryAccountAction,
    QueryZoneAction,
    UnexpectedReply,
    ValidateSessionAction,
    configure,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_job_is_waited_for_and_its_result_has_the_fields_as_attributes(
    client: Client, blocking: InThread
) -> None:
    action = CreateZoneAction()
    action.name = "first"
    result = await blocking(action.call, client)
    zone = result.value.inventory
    assert (result.error, zone.name, zone.description, zone.state) == (None, "first", None, "Enabled")
    assert result.job_uuid == action.jobUuid
    with pytest.raises(AttributeError, match="ZoneInventory has no field 'nmae'"):
        _ = zone.nmae


async def test_an_action_that_is_called_again_finds_its_job(client: Client, blocking: InThread) -> None:
    action = CreateZoneAction(name="once")
    first, again = await blocking(action.call, client), await blocking(action.call, client)
    assert first.value.inventory.uuid == again.value.inventory.uuid
    found = await blocking(QueryZoneAction(conditions=["name=once"]).call, client)
    assert len(found.value.inventories) == 1


async def test_a_failed_job_is_a_result_with_its_error(client: Client, blocking: InThread) -> None:
    await blocking(CreateZoneAction(name="taken").call, client)
    zone = CreateZoneAction(name="other", resourceUuid="0" * 32)
    result = await blocking(zone.call, client)
    assert result.error is not None
    assert result.error.code == "SYS.1007"
    with pytest.raises(ApiError) as raised:
        _ = result.value
    assert raised.value.code == "SYS.1007"


async def test_without_a_session_the_service_refuses(service: Service, blocking: InThread) -> None:
    result = await blocking(QueryZoneAction().call, Client(service.origin))
    assert result.error.code == "ID.1001"


async def test_the_session_of_an_action_goes_before_the_client_s(
    service: Service, blocking: InThread
) -> None:
    action = QueryAccountAction(sessionId=service.admin.token, conditions=[f"uuid={ADMIN}"])
    result = await blocking(action.call, Client(service.origin, session_id="0" * 32))
    assert [account.name for account in result.value.inventories] == ["admin"]


async def test_a_parameter_that_does_not_exist_is_refused_at_once() -> None:
    action = CreateZoneAction()
    with pytest.raises(AttributeError, match="no parameter 'nmae'; did you mean name"):
        action.nmae = "x"  # pyright: ignore[reportAttributeAccessIssue]


async def test_a_required_parameter_that_is_not_set_is_named(client: Client) -> None:
    with pytest.raises(MissingParameter, match="DeleteZone needs uuid"):
        client.call(DeleteZoneAction())


async def test_a_password_is_not_shown_by_the_action_that_carries_it() -> None:
    assert repr(LogInByAccountAction(accountName="admin", password="x")) == (
        "LogInByAccountAction(accountName='admin', password=***)"
    )


async def test_a_session_lasts_as_long_as_its_block(service: Service, blocking: InThread) -> None:
    def work() -> tuple[bool, bool]:
        with Client(service.origin) as anonymous:
            with anonymous.login("admin", "password") as session:
                inside = ValidateSessionAction(sessionUuid=session.session_id)
                was = inside.call(anonymous).value.valid
            return was, inside.call(anonymous).value.valid

    assert await blocking(work) == (True, False)


async def test_the_same_in_an_event_loop(service: Service) -> None:
    async with Client(service.origin) as anonymous, anonymous.alogin("admin", "password") as session:
        made = await asyncio.gather(*(CreateZoneAction(name=f"async-{i}").acall(session) for i in range(20)))
        assert sorted(result.value.inventory.name for result in made) == sorted(
            f"async-{i}" for i in range(20)
        )
        names = {
            zone.name async for zone in QueryZoneAction(conditions=["name~=async-%"]).aeach(session, size=7)
        }
        assert len(names) == 20


async def test_outside_of_a_block_asynchronous_calls_work_too(service: Service) -> None:
    result = await LogInByAccountAction(accountName="admin", password="password").acall(
        Client(service.origin)
    )
    assert result.value.inventory.accountUuid == ADMIN


async def test_the_default_client_is_the_one_that_was_configured(
    service: Service, blocking: InThread
) -> None:
    configure(service.origin, session_id=service.admin.token)
    assert (await blocking(QueryZoneAction(limit=1).call)).error is None


async def test_a_refused_login_is_an_error_with_a_code(service: Service, blocking: InThread) -> None:
    def work() -> None:
        with Client(service.origin).login("admin", "wrong"):
            pass

    with pytest.raises(ApiError) as raised:
        await blocking(work)
    assert raised.value.code == "ID.1000"


async def test_access_keys_sign_every_request(service: Service, client: Client, blocking: InThread) -> None:
    made = await blocking(CreateAccessKeyAction(accountUuid=ADMIN, userUuid=ADMIN).call, client)
    key = made.value.inventory.to_dict()
    signing = Client(service.origin, access_key=AccessKey(key["AccessKeyID"], key["AccessKeySecret"]))
    zone = await blocking(CreateZoneAction(name="signed").call, signing)
    assert zone.value.inventory.name == "signed"
    found = await blocking(QueryZoneAction(conditions=["name=signed"], fields=["uuid"]).call, signing)
    assert [row.to_dict() for row in found.value.inventories] == [{"uuid": zone.value.inventory.uuid}]
    async with signing:
        assert (await GetVersionAction().acall(signing)).error is None
        gone = await DeleteZoneAction(uuid=zone.value.inventory.uuid).acall(signing)
        assert gone.error is None


async def test_pages_lose_nothing_while_their_rows_are_deleted(client: Client, blocking: InThread) -> None:
    def work() -> list[str]:
        for i in range(12):
            CreateZoneAction(name=f"page-{i:02}").call(client)
        seen: list[str] = []
        for zone in QueryZoneAction(conditions=["name~=page-%"]).each(client, size=5):
            seen.append(zone.name)
            DeleteZoneAction(uuid=zone.uuid).call(client).value  # noqa: B018
        return seen

    assert sorted(await blocking(work)) == [f"page-{i:02}" for i in range(12)]


async def test_pages_keep_an_order_and_a_limit(client: Client, blocking: InThread) -> None:
    def work() -> list[list[str]]:
        for i in range(7):
            CreateZoneAction(name=f"sorted-{i}").call(client)
        query = QueryZoneAction(conditions=["name~=sorted-%"], sortBy="name", sortDirection="desc", limit=5)
        return [[zone.name for zone in page] for page in query.pages(client, size=2)]

    assert await blocking(work) == [["sorted-6", "sorted-5"], ["sorted-4", "sorted-3"], ["sorted-2"]]


async def test_a_job_can_be_left_and_waited_for_later(client: Client, blocking: InThread) -> None:
    uuid = await blocking(client.submit, CreateZoneAction(name="later"))
    result = await blocking(client.wait, uuid)
    assert result.value.inventory.name == "later"
    listed = await blocking(ListApiJobsAction(api="CreateZone", limit=1).call, client)
    assert listed.value.inventories[0].uuid == uuid


async def test_no_service_is_an_error_of_its_own(blocking: InThread, unused_tcp_port: int) -> None:
    away = Client(f"http://127.0.0.1:{unused_tcp_port}", patience=Patience(retry_s=0.3))
    with pytest.raises(ConnectionFailed, match="Connect"):
        await blocking(GetVersionAction().call, away)
    with pytest.raises(ConnectionFailed, match="connect"):
        await GetVersionAction().acall(away)


async def test_what_is_no_service_is_told_apart(service: Service, blocking: InThread) -> None:
    page = Client(f"{service.origin}/docs")
    with pytest.raises((UnexpectedReply, ApiError)):
        (await blocking(QueryZoneAction().call, page)).value  # noqa: B018
    with pytest.raises(ValueError, match="no address of a service"):
        Client("127.0.0.1:8080")


async def test_the_context_path_of_zstack_s_clients_may_be_given(
    service: Service, blocking: InThread
) -> None:
    for path in ("", "/", "/zstack", "/zstack/v1"):
        client = Client(service.origin + path, session_id=service.admin.token)
        assert (await blocking(QueryZoneAction(limit=1).call, client)).error is None
