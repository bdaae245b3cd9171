"""The guard against forged requests: its table, and that it holds where connections are made."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Http
from hub.errors import AddressRefused, EndpointUnavailable, SourceMisbehaved
from hub.http import Clients, Guard
from hub.http.guard import unwrap
from tests.wire import AUTHORITY, Caller, listen, reply, says

PUBLIC, OPERATOR = Guard.public(), Guard.operator()
INNER = Guard.public(["10.0.0.0/8", "127.0.0.0/8", "fd12::/16"])
ANY = {"public", "inner", "operator"}

# A URL, and the guards that let it through to the look-up of its name or to the connection.
URLS = [
    # plain public ones
    ("https://example.com/hook", ANY),
    ("https://example.com:443/hook?x=1#y", ANY),
    ("https://93.184.215.14/", ANY),
    ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", ANY),
    ("https://bücher.example/", ANY),
    ("https://example.com./", ANY),
    # without TLS, other ports: only where an address may turn out to be the operator's own
    ("http://example.com/", {"inner", "operator"}),
    ("https://example.com:8443/", {"inner", "operator"}),
    ("http://93.184.215.14/", {"operator"}),
    ("https://93.184.215.14:8443/", {"operator"}),
    ("https://93.184.215.14:80/", ANY),
    # private and loopback
    ("https://127.0.0.1/", {"inner", "operator"}),
    ("http://127.8.8.8:8080/", {"inner", "operator"}),
    ("https://10.1.2.3/", {"inner", "operator"}),
    ("https://192.168.1.1/", {"operator"}),
    ("https://172.16.0.1/", {"operator"}),
    ("https://100.64.0.1/", {"operator"}),
    ("https://192.0.2.1/", {"operator"}),
    ("https://198.18.0.1/", {"operator"}),
    ("https://[::1]/", {"operator"}),
    ("https://[fd12:3456::1]/", {"inner", "operator"}),
    ("https://[fc00::1]/", {"operator"}),
    ("https://[fec0::1]/", {"operator"}),
    ("https://240.0.0.1/", {"operator"}),
    # inner addresses in IPv6 clothes
    ("https://[::ffff:127.0.0.1]/", {"inner", "operator"}),
    ("https://[::ffff:c0a8:101]/", {"operator"}),
    ("https://[2002:c0a8:0101::1]/", {"operator"}),
    ("https://[64:ff9b::192.168.1.1]/", {"operator"}),
    ("https://[64:ff9b::5db8:d70e]/", ANY),
    ("https://[64:ff9b:1::a00:1]/", {"operator"}),
    ("https://[2001:0:53aa:64c:0:0:3f57:fefe]/", {"operator"}),  # Teredo of 192.168.1.1
    ("https://[::192.168.1.1]/", {"operator"}),
    ("https://[::ffff:0:192.168.1.1]/", {"operator"}),
    # never, for nobody
    ("http://169.254.169.254/latest/meta-data/", set()),
    ("https://[::ffff:169.254.169.254]/", set()),
    ("https://[2002:a9fe:a9fe::]/", set()),
    ("https://[64:ff9b::a9fe:a9fe]/", set()),
    ("https://[fe80::1]/", set()),
    ("https://[fd00:ec2::254]/", set()),
    ("https://100.100.100.200/", set()),
    ("https://168.63.129.16/", set()),
    ("https://0.0.0.0/", set()),
    ("https://0.1.2.3/", set()),
    ("https://[::]/", set()),
    ("https://255.255.255.255/", set()),
    ("https://224.0.0.1/", set()),
    ("https://[ff02::1]/", set()),
    # an address in disguise
    ("https://2130706433/", set()),
    ("https://0x7f000001/", set()),
    ("https://0x7f.1/", set()),
    ("https://0177.0.0.1/", set()),
    ("https://127.1/", set()),
    ("https://127.0.0.1./", set()),
    ("https://%31%32%37.0.0.1/", set()),
    ("https://①②⑦.⓪.⓪.①/", set()),
    ("https://[fe80::1%25eth0]/", set()),
    # what is no URL for a webhook
    ("https://user:secret@example.com/", set()),
    ("https://example.com@127.0.0.1/", set()),
    ("https://example.com\\@127.0.0.1/", set()),
    ("ftp://example.com/", set()),
    ("file:///etc/passwd", set()),
    ("gopher://127.0.0.1:70/", set()),
    ("//example.com/", set()),
    ("example.com", set()),
    ("https:///path", set()),
    ("https://exa mple.com/", set()),
    ("https://example.com\n.evil.example/", set()),
    ("https://localhost%00.example.com/", set()),
    ("https://example.com:0/", set()),
    ("https://example.com:99999/", set()),
    ("https://" + "a." * 130 + "example/", set()),
    ("", set()),
]


@pytest.mark.parametrize(("url", "let"), URLS)
def test_the_table_of_urls(url: str, let: set[str]) -> None:
    for name, guard in (("public", PUBLIC), ("inner", INNER), ("operator", OPERATOR)):
        if name in let:
            guard.check_url(url)
        else:
            with pytest.raises(AddressRefused):
                guard.check_url(url)


ipv4 = st.one_of(
    st.ip_addresses(v=4),
    *(
        st.ip_addresses(network=network)
        for network in (
            "10.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "100.64.0.0/10",
            "8.8.8.0/24",
        )
    ),
)


@given(inner=ipv4, guard=st.sampled_from([PUBLIC, INNER, OPERATOR]))
def test_an_address_is_judged_alike_in_all_its_clothes(inner: IPv4Address, guard: Guard) -> None:
    number = int(inner)
    clothes = (
        0xFFFF << 32 | number,  # mapped
        0x2002 << 112 | number << 80 | 1,  # 6to4
        0x0064FF9B << 96 | number,  # NAT64
        0x20010000 << 96 | 0x5DB8D70E << 64 | number ^ 0xFFFFFFFF,  # Teredo
    )
    assert {lets(guard, str(IPv6Address(clothed))) for clothed in clothes} == {
        lets(guard, str(inner))
    }


@given(st.ip_addresses())
def test_what_is_let_through_in_public_is_let_through_to_the_operator(address: Any) -> None:
    assert lets(OPERATOR, str(address)) or not lets(PUBLIC, str(address))
    if lets(PUBLIC, str(address)):
        assert unwrap(address).is_global
        assert not unwrap(address).is_multicast


def lets(guard: Guard, address: str) -> bool:
    try:
        guard.check(address)
    except AddressRefused:
        return False
    return True


def test_a_zone_does_not_hide_an_address() -> None:
    for address in ("fe80::1%eth0", "fd00:ec2::254%eth0", "::ffff:169.254.169.254%1"):
        with pytest.raises(AddressRefused):
            OPERATOR.check(address)


def test_allowing_everything_still_leaves_out_the_metadata() -> None:
    guard = Guard.public(["0.0.0.0/0", "::/0"])
    guard.check("192.168.1.1", port=8080, secure=False)
    for address in ("169.254.169.254", "fd00:ec2::254", "fe80::1", "0.0.0.0"):  # noqa: S104
        with pytest.raises(AddressRefused):
            guard.check(address)


class Names:
    """A resolver whose answers the test decides, and which counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        assert port
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_a_name_that_flips_after_the_check_reaches_nothing() -> None:
    """Rebinding: the first answer is permitted, the second is not."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    guard = Guard.public(["127.0.0.1/32"])
    closes = says(b"good", Connection="close")
    async with (
        listen(closes) as good,
        listen(closes, host="127.0.0.2", port=good.port) as inner,
        Clients(resolver=names) as clients,
    ):
        url = f"http://rebind.test:{good.port}/hook"
        sent = await clients.send(url, b"{}", {}, guard=guard)
        assert sent.body == "good"
        assert names.asked == ["rebind.test"]  # once: what was checked is what was connected to
        with pytest.raises(EndpointUnavailable, match=r"127\.0\.0\.2 is not a public address"):
            await clients.send(url, b"{}", {}, guard=guard)
        assert inner.connections == 0


@pytest.mark.parametrize("bad", ["169.254.169.254", "192.168.1.1", "::ffff:10.0.0.1", "fe80::1%lo"])
async def test_one_bad_address_among_good_ones_refuses_all(bad: str) -> None:
    guard = Guard.public(["127.0.0.1/32"])
    async with listen(says()) as server, Clients(resolver=Names(["127.0.0.1", bad])) as clients:
        with pytest.raises(EndpointUnavailable, match="is not called"):
            await clients.send(f"http://mixed.test:{server.port}/", b"", {}, guard=guard)
        assert server.connections == 0


async def test_a_public_guard_lets_nothing_through_to_loopback() -> None:
    async with listen(says()) as server, Clients() as clients:
        for url in (
            server.url,
            f"http://localhost:{server.port}",
            f"https://localhost:{server.port}",
        ):
            with pytest.raises(EndpointUnavailable):
                await clients.send(url, b"", {}, guard=PUBLIC)
        with pytest.raises(EndpointUnavailable, match="not a public address"):
            await clients.send("https://localhost/", b"", {}, guard=PUBLIC)
        assert server.connections == 0


async def test_names_are_judged_for_port_and_scheme_at_the_connection() -> None:
    """`http://name:port` may be inside an allowed network; when it turns out public, it is not."""
    async with Clients(resolver=Names(["93.184.215.14"])) as clients:
        for url, words in (
            ("http://name.test/", "https only"),
            ("https://name.test:8443/", "Port 8443"),
        ):
            with pytest.raises(EndpointUnavailable, match=words):
                await clients.send(url, b"", {}, guard=INNER)


async def test_a_connection_made_under_one_guard_is_not_reused_under_another() -> None:
    async with listen(says()) as server, Clients(resolver=Names(["127.0.0.1"])) as clients:
        url = f"http://kept.test:{server.port}/"
        await clients.send(url, b"", {}, guard=OPERATOR)
        await clients.send(url, b"", {}, guard=OPERATOR)
        assert server.connections == 1  # kept alive and reused
        with pytest.raises(EndpointUnavailable):
            await clients.send(url, b"", {}, guard=Guard.public(["10.0.0.0/8"]))
        assert len(server.asked) == 2


async def test_the_name_is_kept_for_host_sni_and_the_certificate() -> None:
    async with (
        listen(says(), tls=True) as server,
        Clients(resolver=Names(["127.0.0.1"]), ca_file=AUTHORITY) as clients,
    ):
        sent = await clients.send(f"https://hooks.test:{server.port}/", b"", {}, guard=OPERATOR)
        assert sent.status == 200
        assert server.server_name == "hooks.test"
        assert server.asked[0].headers["host"] == f"hooks.test:{server.port}"
        with pytest.raises(EndpointUnavailable, match="certificate that is not trusted"):
            await clients.send(f"https://other.test:{server.port}/", b"", {}, guard=OPERATOR)
        assert len(server.asked) == 1


async def test_an_unknown_authority_is_refused() -> None:
    async with (
        listen(says(), tls=True) as server,
        Clients(resolver=Names(["127.0.0.1"])) as clients,
    ):
        with pytest.raises(EndpointUnavailable, match="certificate that is not trusted"):
            await clients.send(f"https://hooks.test:{server.port}/", b"", {}, guard=OPERATOR)
        assert not server.asked


async def test_redirects_into_the_inner_network_are_not_followed() -> None:
    async with listen(says(b"inner")) as inner:
        away = says(b"", "302 Found", Location=f"http://127.0.0.2:{inner.port}/secret")
        async with listen(away) as server, Clients() as clients:
            sent = await clients.send(server.url, b"{}", {}, guard=OPERATOR)
            assert sent.status == 302
            with pytest.raises(
                SourceMisbehaved, match=r"redirects / to http://127\.0\.0\.2/secret"
            ):
                await clients.api(Http(url=server.url)).get()
        assert inner.connections == 0


async def test_a_source_is_never_at_a_metadata_address() -> None:
    async with Clients(resolver=Names(["169.254.169.254"])) as clients:
        with pytest.raises(SourceMisbehaved, match="link-local"):
            await clients.api(Http(url="http://crm.test/")).get()


async def test_a_dead_address_does_not_take_the_time_of_the_living_one() -> None:
    """A refused port on the first address, an answer on the second."""
    async with (
        listen(says(b"second"), host="127.0.0.3") as server,
        Clients(resolver=Names(["127.0.0.2", "127.0.0.3"])) as clients,
    ):
        sent = await clients.send(f"http://two.test:{server.port}/", b"", {}, guard=OPERATOR)
        assert sent.body == "second"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_environment_names_no_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listen(says(b"proxy")) as proxy, listen(says(b"direct")) as server:
        monkeypatch.setenv(variable, proxy.url)
        async with Clients() as clients:
            sent = await clients.send(server.url, b"", {}, guard=OPERATOR)
        assert sent.body == "direct"
        assert proxy.connections == 0


async def test_an_explicit_proxy_is_used_signed_in_and_still_guarded() -> None:
    async with listen(says(b"proxied")) as proxy:
        through = proxy.url.replace("http://", "http://hub:s3cret@")
        async with Clients(proxy=through, resolver=Names(["192.168.7.7"])) as clients:
            sent = await clients.send("http://inner.test/x", b"", {}, guard=OPERATOR)
            assert sent.body == "proxied"
            assert proxy.asked[0].line == "POST http://inner.test/x HTTP/1.1"
            assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")
            with pytest.raises(EndpointUnavailable, match="not a public address"):
                await clients.send("https://inner.test/x", b"", {}, guard=PUBLIC)
        assert len(proxy.asked) == 1


async def test_a_proxy_tunnels_tls_and_its_refusal_is_told() -> None:
    async def tunnel(caller: Caller) -> None:
        await caller.write(reply(b"", "403 Forbidden"))

    async with (
        listen(tunnel) as proxy,
        Clients(proxy=proxy.url, resolver=Names(["93.184.215.14"])) as clients,
    ):
        with pytest.raises(EndpointUnavailable, match="through the proxy"):
            await clients.send("https://example.com/", b"", {}, guard=PUBLIC)
        assert proxy.asked[0].line == "CONNECT example.com:443 HTTP/1.1"


async def test_a_name_server_that_hangs_costs_the_connect_time_only() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(30)
        raise AssertionError((host, port))

    async with Clients(resolver=hang) as clients:
        clock = asyncio.get_running_loop().time
        began = clock()
        with pytest.raises(EndpointUnavailable, match="could not be reached within"):
            await clients.send(
                "https://slow.test/", b"", {}, guard=PUBLIC, timeout=timedelta(seconds=0.3)
            )
        assert clock() - began < 2


async def test_a_name_that_does_not_exist() -> None:
    async with Clients() as clients:
        with pytest.raises(EndpointUnavailable, match="cannot be found by its name"):
            await clients.send("https://no-such-host.invalid/", b"", {}, guard=PUBLIC)
