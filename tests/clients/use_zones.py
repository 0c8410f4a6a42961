"""Zones, through the client that openapi-python-client makes of the document: `use_zones.py ORIGIN`."""

import sys

from zstack_client import AuthenticatedClient, Client
from zstack_client.api.jobs import poll_api_job
from zstack_client.api.sessions import log_in_by_account
from zstack_client.api.zones import act_on_zone, create_zone, delete_zone, query_zone
from zstack_client.models import (
    ChangeZoneStateBody,
    ChangeZoneStateParams,
    CreateZoneBody,
    CreateZoneParams,
    EmptyResult,
    Failure,
    JobLocation,
    JobResult,
    LogInByAccountBody,
    LogInByAccountParams,
    QueryZoneResult,
    SessionResult,
    StateEvent,
    UpdateZoneBody,
    UpdateZoneParams,
    Zone,
    ZoneResult,
    ZoneState,
)


def log_in(base: str) -> AuthenticatedClient:
    login = LogInByAccountParams(account_name="admin", password="password")
    answer = log_in_by_account.sync(
        client=Client(base_url=base), body=LogInByAccountBody(log_in_by_account=login)
    )
    assert isinstance(answer, SessionResult), answer
    return AuthenticatedClient(base_url=base, token=answer.inventory.uuid, prefix="OAuth")


def result_of(client: AuthenticatedClient, accepted: JobLocation) -> JobResult | Failure:
    """What a job has ended with."""
    uuid = accepted.location.rpartition("/")[2]
    while True:
        answer = poll_api_job.sync(uuid, client=client, prefer="wait=5")
        assert answer is not None
        if not isinstance(answer, JobLocation):
            return answer


def make(client: AuthenticatedClient, name: str) -> Zone:
    accepted = create_zone.sync(client=client, body=CreateZoneBody(params=CreateZoneParams(name=name)))
    assert isinstance(accepted, JobLocation), accepted
    ended = result_of(client, accepted)
    assert isinstance(ended, JobResult), ended
    return ZoneResult.from_dict(ended.to_dict()).inventory


def main(base: str) -> None:
    client = log_in(base)
    zone = make(client, "made with Python")
    assert zone.state is ZoneState.ENABLED

    found = query_zone.sync(client=client, q=["name~=%Python", f"uuid={zone.uuid}"], reply_with_count=True)
    assert isinstance(found, QueryZoneResult), found
    assert isinstance(found.inventories, list)
    assert [(row.name, row.state, found.total) for row in found.inventories] == [(zone.name, zone.state, 1)]

    update = UpdateZoneBody(update_zone=UpdateZoneParams(description="updated"))
    updated = act_on_zone.sync(zone.uuid, client=client, body=update, prefer="wait=10")
    assert isinstance(updated, ZoneResult), updated
    assert (updated.inventory.name, updated.inventory.description) == (zone.name, "updated")
    change = ChangeZoneStateBody(change_zone_state=ChangeZoneStateParams(state_event=StateEvent.DISABLE))
    changed = act_on_zone.sync(zone.uuid, client=client, body=change, prefer="wait=10")
    assert isinstance(changed, ZoneResult), changed
    assert changed.inventory.state is ZoneState.DISABLED

    deleted = delete_zone.sync(zone.uuid, client=client, prefer="wait=10")
    assert isinstance(deleted, EmptyResult), deleted

    accepted = act_on_zone.sync(zone.uuid, client=client, body=update)
    assert isinstance(accepted, JobLocation), accepted
    failed = result_of(client, accepted)
    assert isinstance(failed, Failure), failed
    assert failed.error.code == "SYS.1003", failed
    refused = query_zone.sync(client=client, q=["colour=red"])
    assert isinstance(refused, Failure), refused
    assert "colour" in refused.error.details, refused


main(sys.argv[1])
print("all is well")
