"""Whether a domain's SPF record (RFC 7208) lets an address send for it, as a receiver would find."""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, Literal

from services.name_server import Address, Names

LOOKUPS_ALLOWED: Final = 10
RESULTS: Final = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

Result = Literal["pass", "fail", "softfail", "neutral", "none", "broken"]


class _Broken(Exception):
    """Receivers take a record like this for none; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPolicy:
    result: Result
    record: str | None = None
    why: str | None = None  # it is broken


async def judge(names: Names, domain: str, address: Address) -> SenderPolicy:
    """Return what the domain says of mail that comes from this address; raises `Silent`."""
    try:
        record = await _record(names, domain)
    except _Broken as error:
        return SenderPolicy(result="broken", why=str(error))
    if record is None:
        return SenderPolicy(result="none")
    try:
        result = await _Evaluation(names, address).of(domain, record)
    except _Broken as error:
        return SenderPolicy(result="broken", record=record, why=str(error))
    return SenderPolicy(result=result, record=record)


async def _record(names: Names, domain: str) -> str | None:
    records = [text for text in await names.texts(domain) if text.lower().split(" ")[0] == "v=spf1"]
    if len(records) > 1:
        raise _Broken(f"{domain} has {len(records)} records that begin with v=spf1, and one is allowed")
    return records[0] if records else None


class _Evaluation:
    """One walk through a record and those that it names."""

    def __init__(self, names: Names, address: Address) -> None:
        self._names = names
        self._address = address
        self._lookups = 0

    async def of(self, domain: str, record: str) -> Result:
        redirect = None
        for term in record.split()[1:]:
            if "%" in term:
                raise _Broken(f"{term} has a macro, which is beyond this check")
            if term.lower().startswith("redirect="):
                redirect = term.partition("=")[2]
            elif "=" not in term.partition(":")[0]:
                sign, mechanism = (term[0], term[1:]) if term[0] in RESULTS else ("+", term)
                if await self._matches(mechanism, domain):
                    result: Result = RESULTS[sign]  # type: ignore[assignment]
                    return result
        return "neutral" if redirect is None else await self._elsewhere(redirect)

    async def _matches(self, mechanism: str, domain: str) -> bool:
        word, _, value = mechanism.partition(":")
        word, _, sizes = word.partition("/")
        value, _, value_sizes = value.partition("/") if word.lower() in {"a", "mx"} else (value, "", "")
        sizes = value_sizes or sizes
        match word.lower():
            case "all":
                return True
            case "ip4" | "ip6":
                return self._is_in(value)
            case "include":
                return await self._elsewhere(value) == "pass"
            case "a":
                return await self._is_of([value or domain], sizes)
            case "mx":
                self._count()
                return await self._is_of(await self._names.mail_servers(value or domain), sizes, counted=True)
            case "exists":
                self._count()
                return any(one.version == 4 for one in await self._names.addresses(value))
            case "ptr":
                self._count()
                return False  # receivers do not trust it either
        raise _Broken(f"{mechanism!r} is no mechanism of SPF")

    async def _elsewhere(self, domain: str) -> Result:
        self._count()
        record = await _record(self._names, domain)
        if record is None:
            raise _Broken(f"it names {domain}, which has no record")
        return await self.of(domain, record)

    async def _is_of(self, hosts: list[str], sizes: str, *, counted: bool = False) -> bool:
        if not counted:
            self._count()
        small, _, large = sizes.partition("//") if not sizes.startswith("/") else ("", "", sizes[1:])
        size = (small or "32") if self._address.version == 4 else (large or "128")
        for host in hosts:
            for one in await self._names.addresses(host):
                if one.version == self._address.version and self._is_in(f"{one}/{size}"):
                    return True
        return False

    def _is_in(self, network: str) -> bool:
        try:
            return self._address in ip_network(network, strict=False)
        except ValueError as error:
            raise _Broken(f"{network!r} is no address or network") from error

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > LOOKUPS_ALLOWED:
            raise _Broken(f"it takes more than {LOOKUPS_ALLOWED} questions to follow it: name fewer others")
