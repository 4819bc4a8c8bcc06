"""What a domain asks receivers to do with mail that is not its own (DMARC), and what counts as its own."""

from dataclasses import dataclass
from typing import Final

from services.name_server import Names

LABELS: Final = 8  # how far up receivers look


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPolicy:
    """A DMARC record, and where it was found."""

    name: str
    tags: dict[str, str]

    def asks(self, domain: str) -> str:
        """Return what is to become of mail from this domain that fails: none, quarantine or reject."""
        policy = self.tags.get("p", "none")
        return policy if domain == self.name else self.tags.get("sp", policy)


async def found(names: Names, domain: str) -> list[DomainPolicy]:
    """Return the records of the domain and of those above it, the nearest first; raises `Silent`."""
    labels = domain.lower().rstrip(".").split(".")
    policies = []
    for n in sorted({0, *range(max(len(labels) - LABELS + 1, 0), len(labels))}):
        name = ".".join(labels[n:])
        texts = [text for text in await names.texts(f"_dmarc.{name}") if text.replace(" ", "").startswith("v=DMARC1")]
        if len(texts) == 1:  # of several none counts
            policies.append(DomainPolicy(name=name, tags=_tags(texts[0])))
    return policies


def organisation(domain: str, policies: list[DomainPolicy]) -> str:
    """Return the domain that is somebody's own, above this one, by the records that `found` found for it."""
    for policy in policies:
        if policy.tags.get("psd") == "n":
            return policy.name
        if policy.tags.get("psd") == "y" and policy.name != domain:
            return ".".join(domain.split(".")[-policy.name.count(".") - 2 :])
    return policies[-1].name if policies else domain


def surely_aligned(one: str, other: str) -> bool | None:
    """Return whether both belong together in the relaxed sense; None: only DNS can tell."""
    one, other = one.lower(), other.lower()
    if one == other or one.endswith(f".{other}") or other.endswith(f".{one}"):
        return True
    return None if one.split(".")[-2:] == other.split(".")[-2:] else False


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
