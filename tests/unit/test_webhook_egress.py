"""Where webhooks may go: the text of the URL, every address, and every socket."""

import asyncio
import socket
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address, ip_network
from threading import Event
from typing import Any

import pytest
import yarl
from aiohttp import web

from authority import Authority
from receivers import receiver
from zstack_mgmt.config import Settings
from zstack_mgmt.core.errors import BadRequest
from zstack_mgmt.webhooks.client import Client, Reply
from zstack_mgmt.webhooks.dialler import Trail
from zstack_mgmt.webhooks.egress import check_address, check_url, control_plane

LOCKED = Settings()
EVERYTHING = Settings(webhook_allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))
LOOPBACK = Settings(webhook_allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")))


def rule_of(url: str, settings: Settings = LOCKED) -> str | None:
    try:
        check_url(url, settings)
    except BadRequest as error:
        return error.details.split("'")[1]
    return None


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM:443/Path?q=1", "https://example.com/Path?q=1"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("http://example.com:8080/a%20b?x=%2F&y=a+b", "http://example.com:8080/a%20b?x=%2F&y=a+b"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("http://my_host-1.example./", "http://my_host-1.example./"),
        ("http://93.184.216.34/x", "http://93.184.216.34/x"),
        ("http://[2606:2800:220::1]:9/x", "http://[2606:2800:220::1]:9/x"),
        ("http://1password.example/", "http://1password.example/"),
        ("http://example.com/%7e/[1]?a={%2F}+%20", "http://example.com/%7e/%5B1%5D?a=%7B%2F%7D+%20"),
        ("http://example.com/%C3%A9/é/%c3%a9/中", "http://example.com/%C3%A9/%C3%A9/%c3%a9/%E4%B8%AD"),
        ("http://example.com/100%/%zz?q=%", "http://example.com/100%25/%25zz?q=%25"),
        ("http://example.com/a/../b?c=|^`", "http://example.com/a/../b?c=%7C%5E%60"),
        ("http://example.com?x=[", "http://example.com/?x=%5B"),
        ("http://example.com/@path:1", "http://example.com/@path:1"),
    ],
)
def test_what_is_allowed_comes_out_normal(url, normal):
    assert str(check_url(url, LOCKED)) == normal


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "scheme"),
        ("example.com/hook", "scheme"),
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("unix:///var/run/docker.sock", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("http:/example.com", "scheme"),
        ("http:example.com", "scheme"),
        ("//example.com/", "scheme"),
        ("http://user@example.com/", "user-info"),
        ("http://user:pass@example.com/", "user-info"),
        ("http://@example.com/", "user-info"),
        ("http://example.com:80@127.0.0.1/", "user-info"),
        ("http://example.com/#", "fragment"),
        ("http://example.com#@127.0.0.1/", "fragment"),
        ("http://example.com/a b", "characters"),
        (" http://example.com/", "characters"),
        ("http://example.com/\r\nX-Evil: 1", "characters"),
        ("http://example.com/\x00", "characters"),
        ("http://example.com/\u2028", "characters"),
        ("http://example.com/\udcff", "characters"),
        ("http://example.com\\@127.0.0.1/", "characters"),
        ("http://exam\u200bple.com/", "characters"),
        ("http://example.com/" + "a" * 2030, "length"),
        ("http://example.com/" + "ü" * 500, "length"),
        ("http://", "host"),
        ("http:///path", "host"),
        ("http://:80/", "host"),
        ("http://a..b/", "host"),
        ("http://-a.example/", "host"),
        ("http://a$b/", "host"),
        ("http://ex%61mple.com/", "host"),
        ("http://" + "a" * 64 + ".example/", "host"),
        ("http://" + "a." * 130 + "example/", "host"),
        ("http://[::1", "host"),
        ("http://[127.0.0.1]/", "host"),
        ("http://example.com:99999/", "host"),
        ("http://example.com:port/", "host"),
        ("http://example.com:-1/", "host"),
        ("http://example.com:0/", "port"),
        ("http://example.com:８０/", "address-form"),
    ],
)
def test_a_malformed_url_is_refused_by_the_rule_it_breaks(url, rule):
    assert rule_of(url, EVERYTHING) == rule


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.0.1.",
        "example.1",
        "foo.0x10",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "１２７.0.0.1",
        "0x",
    ],
)
def test_numbers_that_resolvers_read_differently_are_refused_even_where_all_is_allowed(host):
    assert rule_of(f"http://{host}/", EVERYTHING) == "address-form"


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("127.0.0.1", "loopback"),
        ("localhost", "loopback"),
        ("LOCALHOST.", "loopback"),
        ("a.localhost", "loopback"),
        ("[::1]", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("[::ffff:7f00:1]", "loopback"),
        ("[0:0:0:0:0:0:0:1]", "loopback"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("[fc00::1]", "private"),
        ("100.64.0.1", "shared"),
        ("198.18.0.1", "special"),
        ("169.254.169.254", "metadata"),
        ("metadata.google.internal", "metadata"),
        ("[fe80::1%25eth0]", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("[::]", "unspecified"),
    ],
)
def test_literal_addresses_and_well_known_names_are_judged_at_the_door(host, rule):
    assert rule_of(f"http://{host}/") == rule


def test_the_operator_can_allow_loopback_and_restrict_ports():
    assert str(check_url("http://127.0.0.1:8081/x", LOOPBACK)) == "http://127.0.0.1:8081/x"
    assert rule_of("http://localhost:8081/x", LOOPBACK) is None
    assert rule_of("http://[::ffff:127.0.0.1]:8081/x", LOOPBACK) is None
    assert rule_of("http://192.168.1.1/", LOOPBACK) == "private"
    only = Settings(webhook_ports=(443, 8443))
    assert rule_of("https://example.com/", only) is None
    assert rule_of("http://example.com/", only) == "port"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.0.0.2", "[::ffff:127.0.0.1]"])
def test_our_own_database_and_redis_are_never_receivers(host):
    assert rule_of(f"http://{host}:5432/", LOOPBACK) == "control-plane"
    assert rule_of(f"http://{host}:6379/", LOOPBACK) == "control-plane"


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://u:p%40@DB.internal./x", [("db.internal", 5432)]),
        (
            "postgresql://u@db-1,[fd00::7]:6000,10.0.0.7/x",
            [("db-1", 5432), ("fd00::7", 6000), ("10.0.0.7", 5432)],
        ),
        ("postgresql:///x?host=db-1,db-2&port=6000", [("db-1", 6000), ("db-2", 6000)]),
        ("postgresql:///x?host=db-1,db-2&port=6000,6001", [("db-1", 6000), ("db-2", 6001)]),
        ("postgresql:///x?host=/var/run", [("localhost", 5432)]),
        ("postgresql://%2Fvar%2Frun/x", [("localhost", 5432)]),
        ("redis://:secret@cache/0", [("cache", 6379)]),
        ("rediss://cache:7000/0", [("cache", 7000)]),
    ],
)
def test_where_our_own_connections_go_is_read_from_their_urls(url, places):
    assert list(control_plane(url)) == places


NEVER = {
    "169.254.169.254": "metadata",
    "fd00:ec2::254": "metadata",
    "100.100.100.200": "metadata",
    "168.63.129.16": "metadata",  # Azure's platform
    "192.0.0.192": "metadata",  # Oracle's
    "fd20:ce::254": "metadata",  # Google's
    "fd00:42::42": "metadata",  # Scaleway's
    "169.254.0.1": "link-local",
    "fe80::1": "link-local",
    "fec0::1": "link-local",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::ffff:169.254.169.254": "metadata",
    "64:ff9b::169.254.169.254": "metadata",  # NAT64
    "64:ff9b:1:a9fe:a9:fe00::": "metadata",  # local NAT64 with a /48 prefix
    "64:ff9b:1::169.254.169.254": "metadata",
    "64:ff9b:1:ffa9:fe:a9fe::": "metadata",  # with a /56 prefix
    "64:ff9b:1:ffff:a9:fea9:fe00:0": "metadata",  # with a /64 prefix
    "::ffff:0:169.254.169.254": "metadata",  # SIIT
    "::ffff:0:168.63.129.16": "metadata",
    "2606:4700::5efe:a9fe:a9fe": "metadata",  # ISATAP
    "2606:4700::200:5efe:a9fe:a9fe": "metadata",
    "2002:a9fe:a9fe::1": "metadata",  # 6to4
    "2001:0:a9fe:a9fe::1": "metadata",  # Teredo server
    "2001:0:101:101:0:0:5601:5601": "metadata",  # Teredo client, inverted
    "::169.254.169.254": "metadata",  # IPv4-compatible
}


@pytest.mark.parametrize(("address", "rule"), NEVER.items())
def test_no_setting_allows_these(address, rule):
    assert check_address(ip_address(address), EVERYTHING) == rule


UNLESS_LISTED = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "192.168.0.1": "private",
    "fd12::1": "private",
    "100.64.0.1": "shared",
    "192.0.0.1": "special",
    "192.0.2.1": "special",
    "192.88.99.1": "special",
    "198.19.255.255": "special",
    "198.51.100.1": "special",
    "203.0.113.1": "special",
    "100::1": "special",
    "2001:db8::1": "special",
    "3fff::1": "special",
    "5f00::1": "special",
    "64:ff9b::8.8.8.8": "translated",
    "2002:808:808::1": "translated",
    "2001:0:808:808::f7f7:f7f7": "translated",
    "::ffff:0:8.8.8.8": "translated",
    "::ffff:0:10.0.0.1": "private",
    "2606:4700::5efe:10.0.0.1": "private",
    "64:ff9b::10.0.0.1": "private",
    "64:ff9b::127.0.0.1": "loopback",
    "2002:7f00:1::": "loopback",
}


@pytest.mark.parametrize(("address", "rule"), UNLESS_LISTED.items())
def test_these_need_the_operator(address, rule):
    assert check_address(ip_address(address), LOCKED) == rule
    assert check_address(ip_address(address), EVERYTHING) is None


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700::5efe:8.8.8.8"],
)
def test_the_public_internet_is_open(address):
    assert check_address(ip_address(address), LOCKED) is None


def test_an_embedded_address_needs_its_own_permission():
    tunnel_only = Settings(webhook_allow=(ip_network("64:ff9b::/96"),))
    assert check_address(ip_address("64:ff9b::10.0.0.1"), tunnel_only) == "private"
    assert check_address(ip_address("64:ff9b::8.8.8.8"), tunnel_only) is None


HOSTS = [
    "127.0.0.1",
    "localhost",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "127.0.0.2",
    "①②⑦.0.0.1",
    "0x7f000001",
]


async def post(client: Client, url: str | yarl.URL, account: str = "a") -> tuple[Reply | None, Trail]:
    trail = Trail(account)
    try:
        return await client.post(yarl.URL(url), {}, b"x", trail), trail
    except (OSError, ValueError):
        return None, trail


@pytest.fixture
def clients():
    made: list[Client] = []

    def make(settings: Settings) -> Client:
        made.append(Client(settings))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("host", HOSTS)
async def test_every_socket_to_a_forbidden_address_is_stopped_before_a_packet_leaves(host, clients):
    async with receiver() as sink:
        reply, trail = await post(clients(LOCKED), f"http://{host}:{sink.port}/")
        assert reply is None
        assert trail.dialled == ""
        assert sink.requests == []
        assert trail.blocked is None or trail.blocked.rule == "loopback"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_the_same_sockets_are_made_when_the_operator_allows_them(host, clients):
    async with receiver() as sink:
        reply, trail = await post(clients(LOOPBACK), f"http://{host}:{sink.port}/")
        assert reply is not None
        assert reply.status == 200
        assert trail.dialled == trail.peer
        assert trail.peer.endswith(f"127.0.0.1:{sink.port}") or "7f00:1" in trail.peer


async def test_a_name_is_judged_by_the_address_it_has_when_the_socket_is_made(monkeypatch, clients):
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def rebinding(host: str, port: int, **options: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    url = check_url("http://rebinding.example:1/", LOCKED)
    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    socket.getaddrinfo("rebinding.example", 1)  # what a check at the door would have seen
    reply, trail = await post(clients(LOCKED), url)
    assert reply is None
    assert trail.blocked is not None
    assert trail.blocked.rule == "loopback"


NAMED = Settings(
    webhook_allow=LOOPBACK.webhook_allow,
    database_url="postgresql://u:p@db.internal:1234/x",
    redis_url="redis://cache.internal/0",
)


@pytest.mark.parametrize("host", ["db.internal", "DB.internal."])
def test_our_own_hosts_are_refused_by_name_at_the_door(host):
    assert rule_of(f"http://{host}:1234/", NAMED) == "control-plane"
    assert rule_of(f"http://{host}/", NAMED) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "other.example", "[::ffff:127.0.0.1]"])
async def test_our_own_hosts_are_refused_by_whatever_address_their_names_have(host, monkeypatch, clients):
    find = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, port, **options: find(HOSTS_FILE.get(name, name), port, **options)
    )
    async with receiver() as sink:
        settings = replace(NAMED, database_url=f"postgresql://db.internal:{sink.port}/x")
        reply, trail = await post(clients(settings), f"http://{host}:{sink.port}/")
        assert reply is None
        assert trail.blocked is not None
        assert trail.blocked.rule == "control-plane"
        assert sink.requests == []


HOSTS_FILE = {"db.internal": "127.0.0.1", "other.example": "127.0.0.1"}


async def test_names_that_are_slow_to_resolve_hold_up_their_account_alone(monkeypatch, clients):
    find, stop = socket.getaddrinfo, Event()

    def slow(name: str, port: int, **options: Any) -> Any:
        if name.startswith("slow"):
            stop.wait(30)
        return find("127.0.0.1", port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = clients(replace(LOOPBACK, webhook_connect_timeout_s=1.0))
    async with receiver() as sink, asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(post(client, f"http://slow-{number}.example:{sink.port}/", "a"))
        await asyncio.sleep(0)
        reply, _ = await post(client, f"http://quick.example:{sink.port}/", "b")
        assert reply is not None
        stop.set()


def test_a_name_that_is_slow_to_resolve_does_not_keep_the_process_from_ending():
    code = """
import asyncio, socket, time
from zstack_mgmt.webhooks.dialler import Names
socket.getaddrinfo = lambda *args, **options: time.sleep(60)
async def main():
    task = asyncio.create_task(Names().find("slow.example", 80))
    await asyncio.sleep(0.1)
    task.cancel()
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], timeout=30, check=True)


async def test_the_client_follows_no_proxy_keeps_no_cookie_and_unpacks_nothing(monkeypatch, clients):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    async def answer(request):
        reply = web.Response(body=b"not gzip", headers={"Content-Encoding": "gzip"})
        reply.set_cookie("a", "b")
        return reply

    client = clients(LOOPBACK)
    async with receiver(answer) as sink:
        for _ in range(2):
            reply, _ = await post(client, f"{sink.url}/")
            assert reply is not None
            assert reply.body == b"not gzip"
        assert all("cookie" not in request.headers for request in sink.requests)


def test_a_context_that_verifies_nothing_is_refused():
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    with pytest.raises(ValueError, match="verify"):
        Client(LOCKED, context)


async def test_certificates_are_verified_by_name_and_authority(tmp_path):
    import ssl

    authority, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue("localhost"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        for trusted, host, status in (
            (authority, "localhost", 200),
            (authority, "127.0.0.1", None),
            (other, "localhost", None),
        ):
            client = Client(LOOPBACK, ssl.create_default_context(cafile=str(trusted.file)))
            reply, _ = await post(client, f"https://{host}:{port}/")
            assert (reply and reply.status) == status
            client.close()
