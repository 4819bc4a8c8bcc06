"""SPF as receivers read it, asked of a real name server."""

from ipaddress import ip_address

import pytest

from services.name_server import Names
from services.sender_policy import judge
from tests.servers.dns import NameServer

US = "93.184.216.34"


@pytest.fixture
def names(name_server: NameServer) -> Names:
    name_server.say("relay.example", "A", US)
    name_server.say("relay.example", "AAAA", "2606:2800:220::1")
    name_server.say("school.example", "A", "93.184.216.99")
    name_server.say("school.example", "MX", "10 relay.example.")
    name_server.say("good.example", "TXT", "v=spf1 ip4:93.184.216.0/24 -all")
    name_server.say("other.example", "TXT", "v=spf1 ip4:198.51.100.1 -all")
    for n in range(12):
        name_server.say(f"chain{n}.example", "TXT", f"v=spf1 include:chain{n + 1}.example -all")
    return Names(name_server.resolver)


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 ip4:93.184.216.34 -all", "pass"),
        ("v=spf1 ip4:93.184.216.0/25 -all", "pass"),
        ("v=spf1 ip4:93.184.217.0/24 -all", "fail"),
        ("v=spf1 ip4:198.51.100.1 ~all", "softfail"),
        ("v=spf1 ip4:198.51.100.1 ?all", "neutral"),
        ("v=spf1 ip4:198.51.100.1", "neutral"),
        ("v=spf1 a:relay.example -all", "pass"),
        ("v=spf1 a -all", "fail"),
        ("v=spf1 a/24 -all", "pass"),
        ("v=spf1 mx -all", "pass"),
        ("v=spf1 mx:nobody.example -all", "fail"),
        ("v=spf1 include:good.example -all", "pass"),
        ("v=spf1 include:other.example ~all", "softfail"),
        ("v=spf1 redirect=good.example", "pass"),
        ("v=spf1 redirect=other.example", "fail"),
        ("v=spf1 exists:relay.example -all", "pass"),
        ("v=spf1 -ip4:93.184.216.34 +all", "fail"),
        ("V=SPF1 IP4:93.184.216.34 -ALL", "pass"),
        ("v=spf1 exp=why.example ip4:93.184.216.34 -all", "pass"),
        ("v=spf1 ptr ?all", "neutral"),
        ("v=spf10 +all", "none"),
        ("v=spf1 include:nobody.example -all", "broken"),
        ("v=spf1 include:chain0.example -all", "broken"),
        ("v=spf1 ip4:hello -all", "broken"),
        ("v=spf1 everybody -all", "broken"),
        ("v=spf1 exists:%{i}.example -all", "broken"),
    ],
)
async def test_a_record_says(names: Names, name_server: NameServer, record: str, result: str) -> None:
    name_server.say("school.example", "TXT", "something else", record)
    found = await judge(names, "school.example", ip_address(US))
    assert found.result == result
    assert (found.why is not None) == (result == "broken")


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 ip6:2606:2800:220::/48 -all", "pass"),
        ("v=spf1 ip4:93.184.216.34 -all", "fail"),
        ("v=spf1 a:relay.example -all", "pass"),
        ("v=spf1 a:relay.example//64 -all", "pass"),
        ("v=spf1 mx/24//128 -all", "pass"),
    ],
)
async def test_addresses_of_the_newer_kind_are_known(
    names: Names, name_server: NameServer, record: str, result: str
) -> None:
    name_server.say("school.example", "TXT", record)
    assert (await judge(names, "school.example", ip_address("2606:2800:220::1"))).result == result


async def test_two_records_are_none(names: Names, name_server: NameServer) -> None:
    name_server.say("school.example", "TXT", "v=spf1 -all", "v=spf1 +all")
    found = await judge(names, "school.example", ip_address(US))
    assert found.result == "broken" and "has 2 records" in (found.why or "")
    assert (await judge(names, "nobody.example", ip_address(US))).result == "none"
