"""A directory that is slow, dies or talks nonsense harms nobody but those who need it."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest

from directory import Behaviour, running_directory, stand_in
from directory_data import BASE, BULK, SERVICE, SERVICE_PASSWORD, person
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import TooBusy
from zstack_mgmt.ldap import questions
from zstack_mgmt.ldap.calls import turn
from zstack_mgmt.ldap.directory import DirectoryError
from zstack_mgmt.ldap.model import Target

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte of a long answer, always in time for the next timeout."""
    writer.write(b"\x30\x84\x00\x10\x00\x00")
    while True:
        writer.write(b"\x00")
        await writer.drain()
        await asyncio.sleep(0.1)


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def saying(answer: bytes) -> Behaviour:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        await writer.drain()
        await asyncio.sleep(0.05)

    return say


NONSENSE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"0\x00",
    b"0\x03\x02\x01\x01",
    b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"[:-2],
    b"\x30\x0c\x02\x01\x63\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
    b"\x30\x80\x00\x00",
    bytes(range(48, 148)),
    b"\xff" * 100,
    b"\x30\x06\x02\x01\x01\x78\x01\x00",
]


async def prove(settings: Settings, reached: Target) -> None:
    async with turn(settings, reached) as ask:
        await ask(questions.test)


def target(port: int, url: str = "ldap", encryption: str = "None") -> Target:
    return Target(f"{url}://127.0.0.1:{port}", BASE, SERVICE, SERVICE_PASSWORD, encryption)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize("encryption", ["None", "TLS"])
async def test_nonsense_is_no_directory(answer: bytes, encryption: str):
    async with stand_in(saying(answer)) as port:
        with pytest.raises(DirectoryError) as failed:
            await prove(Settings(ldap_timeout_s=1), target(port, encryption=encryption))
    assert failed.value.reason in ("unreachable", "tls", "failed")


@pytest.mark.parametrize("behaviour", [silent, dripping])
@pytest.mark.parametrize(("url", "encryption"), [("ldap", "None"), ("ldap", "TLS"), ("ldaps", "None")])
async def test_slow_directory_is_given_up_in_time(behaviour: Behaviour, url: str, encryption: str):
    settings, before = Settings(ldap_timeout_s=1), time.monotonic()
    async with stand_in(behaviour) as port:
        with pytest.raises(DirectoryError) as failed:
            await prove(settings, target(port, url, encryption))
        assert time.monotonic() - before < 6
        assert failed.value.reason in ("unreachable", "tls")


async def test_threads_come_back_from_a_slow_directory(directory):
    settings = Settings(ldap_timeout_s=1, ldap_concurrency=2)
    async with stand_in(dripping) as port:
        calls = (prove(settings, target(port)) for _ in range(6))
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in failed} == {DirectoryError}
        before = time.monotonic()
        await prove(settings, target(directory.port))
        assert time.monotonic() - before < 1.5


async def test_login_at_a_slow_directory_delays_nobody_else(ldap):
    server = await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    async with stand_in(silent) as port:
        await ldap.update(server["uuid"], url=f"ldap://127.0.0.1:{port}")
        before = time.monotonic()
        logins = asyncio.gather(*(ldap.try_log_in("Alice", "alice-secret") for _ in range(20)))
        await asyncio.sleep(0.1)
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert (await ldap.admin.get("/zones")).status == 200
            slowest = max(slowest, time.monotonic() - began)
        assert (await ldap.service.anonymous.log_in("tenant", "secret")).token
        assert slowest < 2
        assert not logins.done()
        assert {answer.code for answer in await logins} == {"LDAP.1000"}
        assert time.monotonic() - before < 12  # and not 20 patiences, four at a time


async def test_job_at_a_slow_directory_delays_no_other_job(ldap):
    server = await ldap.add()
    await ldap.bound("cn=Alice,ou=people")
    async with stand_in(silent) as port:
        await ldap.update(server["uuid"], url=f"ldap://127.0.0.1:{port}")
        cleaning = asyncio.create_task(ldap.clean())
        await asyncio.sleep(0.1)
        assert (await ldap.admin.create("/zones", name="z"))["uuid"]
        assert not cleaning.done()
        answer = await cleaning
        assert answer.code == "LDAP.1000"
        assert "in time" in answer.body["error"]["details"]


async def test_directory_that_hangs_up(ldap):
    server = await ldap.add()
    async with stand_in(hanging_up) as port:
        await ldap.update(server["uuid"], url=f"ldap://127.0.0.1:{port}")
        assert (await ldap.try_log_in("Alice", "alice-secret")).code == "LDAP.1000"
        assert (await ldap.try_add(url=f"ldap://127.0.0.1:{port}")).code == "LDAP.1006"


async def test_killed_directory_and_its_return(ldap, tmp_path: Path):
    with running_directory(tmp_path) as mortal:
        await ldap.add(url=mortal.url)
        await ldap.bound("cn=Alice,ou=people")
        logins = [asyncio.create_task(ldap.try_log_in("Alice", "alice-secret")) for _ in range(20)]
        await asyncio.sleep(0.03)
        mortal.kill()
        answers = await asyncio.gather(*logins)
        assert {answer.body.get("error", {}).get("code") for answer in answers} <= {None, "LDAP.1000"}
        before = time.monotonic()
        assert (await ldap.try_log_in("Alice", "alice-secret")).code == "LDAP.1000"
        assert time.monotonic() - before < 4
        mortal.start()
        assert (await ldap.log_in("Alice", "alice-secret")).token


@pytest.mark.parametrize("between", [" ", ",", ", "])
async def test_another_address_serves_when_the_first_one_is_gone(ldap, tmp_path: Path, between: str):
    with running_directory(tmp_path) as mortal:
        await ldap.add(url=f"{mortal.url}{between}{ldap.directory.url}")
        await ldap.bound("cn=Alice,ou=people")
        mortal.kill()
        assert (await ldap.log_in("Alice", "alice-secret")).token


async def test_addresses_that_all_fail_are_told_like_one(ldap):
    answer = await ldap.try_add(url="ldap://127.0.0.1:1 ldap://127.0.0.1:2")
    assert (answer.code, answer.body["error"]["opaque"]) == ("LDAP.1006", {"reason": "unreachable"})
    assert (await ldap.try_add(url=f"{ldap.directory.url},http://b")).status == 400


async def test_turns_are_few_and_pass_on(directory):
    settings, most, now = Settings(ldap_concurrency=3), 0, 0

    async def one() -> None:
        nonlocal most, now
        async with turn(settings, target(directory.port)) as ask:
            now += 1
            most = max(most, now)
            await ask(questions.test)
            await asyncio.sleep(0.01)
            now -= 1

    waiting = [asyncio.create_task(one()) for _ in range(20)]
    await asyncio.sleep(0.005)
    for task in waiting[3:10]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (most, now) == (3, 0)
    await one()


async def test_more_callers_than_may_wait_are_sent_away(directory):
    settings = Settings(ldap_concurrency=1, ldap_login_rate=1000)
    go = asyncio.Event()

    async def one() -> None:
        async with turn(settings, target(directory.port), login=True):
            await go.wait()

    waiting = [asyncio.create_task(one()) for _ in range(250)]
    await asyncio.sleep(0.5)
    go.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    refused = [error for error in ended if isinstance(error, TooBusy)]
    assert 0 < len(refused) < 50
    assert refused[0].headers == {"Retry-After": "2"}


async def test_logins_start_at_a_limited_rate(directory):
    settings, before = Settings(ldap_concurrency=5, ldap_login_rate=20), time.monotonic()

    async def one() -> None:
        async with turn(settings, target(directory.port), login=True) as ask:
            await ask(questions.test)

    await asyncio.gather(*(one() for _ in range(9)))
    assert 0.4 <= time.monotonic() - before < 3
    async with turn(settings, target(directory.port)) as ask:  # a search does not wait for them
        await ask(questions.test)


@pytest.mark.parametrize("encryption", ["None", "TLS"])
async def test_broken_connection_is_not_made_again_behind_our_back(directory, encryption: str):
    """Again would be without TLS. Wherever the connection breaks, there is one, and TLS shows no password."""
    settings = Settings(ldap_timeout_s=1, ldap_ca_file=str(directory.authority.file))
    alice = f"cn=Alice,ou=people,{BASE}"

    async def log_in(port: int) -> None:
        asked = Target(f"ldap://localhost:{port}", BASE, SERVICE, SERVICE_PASSWORD, encryption)  # type: ignore[arg-type]
        async with turn(settings, asked) as ask:
            await ask(questions.logins, "cn", "Alice")
            assert await ask(questions.authenticates, alice, "alice-secret")
            await ask(questions.groups_above, ("member",), alice)

    for room in (10, 40, 100, 300, 700, 1000, 1300, 1600, 1900, 2200, 2600, 3200, 100_000):
        sent: list[bytes] = []
        async with stand_in(forwarding(directory.port, room, sent)) as port:
            with suppress(DirectoryError):
                await log_in(port)
        assert len(sent) == 1
        assert encryption == "None" or b"secret" not in sent[0]


async def test_directory_that_breaks_off_in_the_middle_of_its_pages(ldap):
    """Wherever it does: all entries or LDAP.1000, never a part of them that looks like all."""
    server = await ldap.add()
    query = "/ldap/entry?ldapFilter=(cn=bulk-*)&limit=100000"
    whole: list[bytes] = []
    async with stand_in(forwarding(ldap.directory.port, 1 << 40, whole)) as port:
        await ldap.update(server["uuid"], url=f"ldap://127.0.0.1:{port}")
        assert len((await ldap.admin.get(query)).body["inventories"]) == BULK
    for room in (14, 60, 5_000, 200_000, 400_000, 700_000):
        sent: list[bytes] = []
        async with stand_in(forwarding(ldap.directory.port, room, sent)) as port:
            await ldap.update(server["uuid"], url=f"ldap://127.0.0.1:{port}")
            answer = await ldap.admin.get(query)
        assert (answer.status, answer.code) == (503, "LDAP.1000")
        assert len(sent) == 1


async def test_directory_that_breaks_off_in_the_middle_of_a_clean_up(ldap):
    server = await ldap.add()
    leaver = ldap.directory.add(person("Early Leaver"))
    await ldap.bound(leaver, "left")
    for name in ("Alice", "Bob", "Carol"):
        await ldap.bound(f"cn={name},ou=people", name)
    ldap.directory.remove(leaver)
    for room in range(8, 400, 24):
        async with stand_in(forwarding(ldap.directory.port, room, [])) as port:
            await ldap.update(server["uuid"], url=f"ldap://127.0.0.1:{port}")
            answer = await ldap.clean()
        kept = len((await ldap.admin.get("/ldap/bindings")).body["inventories"])
        if answer.status == 200:
            assert kept == 3
            break
        assert (answer.code, kept) == ("LDAP.1000", 4)
    else:
        raise AssertionError("it never had room enough")


def forwarding(port: int, room: int, sent: list[bytes]) -> Behaviour:
    """Forward to a port until so many bytes have come back; what each client sent is kept."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, out = await asyncio.open_connection("127.0.0.1", port)
        mine = len(sent)
        sent.append(b"")

        async def there() -> None:
            while data := await reader.read(65536):
                sent[mine] += data
                out.write(data)

        going = asyncio.create_task(there())
        left = room
        try:
            while left > 0 and (data := await back.read(min(left, 65536))):
                writer.write(data)
                left -= len(data)
            await writer.drain()
        finally:
            going.cancel()
            out.close()

    return forward
