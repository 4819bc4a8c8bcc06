"""What receivers find of whom a mail is from: DKIM, SPF, and DMARC, which wants one of them to prove From's domain."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from services import domain_policy, mail_seen, sender_policy
from services.domain_policy import DomainPolicy
from services.finding import Finding
from services.mail_seen import Signature
from services.name_server import Names, Silent

LOOK: Final = "have the mail's source shown where it arrived: its Authentication-Results say what was found there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A domain that vouches for the mail, by a signature or by its envelope sender."""

    by: str  # DKIM or SPF
    domain: str | None  # None: of whatever domain the mail server signs for, if it does
    holds: bool | None  # None: it cannot be told from here


async def of(raw: bytes, *, sender: str, host: str, names: Names, record: str | None) -> list[Finding]:
    """Return what is found of this mail, sent with this envelope sender by way of `host`.

    `record` is what DNS should hold for our own key.
    """
    findings, proofs = await signed(raw, names, record)
    if not proofs:
        says = (
            "not signed by us (DKIM_KEY is not set): only where it arrives does it show whether the mail server signs,"
        )
        says += " for which domain, and both unsubscribe headers"
        findings = [
            Finding(check="DKIM", ok=None, says=says, do=f"{LOOK}; or save it, `afterhello doctor --received FILE`")
        ]
        proofs = [Proof(by="DKIM", domain=None, holds=None)]
    finding, proof = await _spf(sender.rpartition("@")[2].lower(), host, names)
    return [*findings, finding, await _dmarc(mail_seen.sender_domain(raw), [*proofs, proof], names)]


async def received(raw: bytes, names: Names) -> list[Finding]:
    """Return what is found of a mail as it arrived, and what its receiver wrote into it about that."""
    findings, proofs = await signed(raw, names, None)
    if not proofs:
        do = "have the mail server sign what it sends for the domain of MAIL_FROM, or sign here with DKIM_KEY"
        findings = [Finding(check="DKIM", ok=False, says="it came without any signature", do=do)]
    words = mail_seen.receivers_words(raw)
    if words is None:
        says = "the receiver wrote no Authentication-Results into it"
        return [
            *findings,
            Finding(check="receiver", ok=None, says=says, do="take the source of the mail, all its headers"),
        ]
    verdicts = mail_seen.verdicts(words)
    bad = [what for what in ("spf", "dkim", "dmarc") if verdicts.get(what) != "pass"]
    hint = "`afterhello doctor --mail ADDRESS` says what is missing in DNS" if bad else None
    # One of the others is enough for DMARC, and forwarding breaks SPF.
    return [*findings, Finding(check="receiver", ok="dmarc" not in bad, says=f"it says: {words}", do=hint)]


async def signed(raw: bytes, names: Names, record: str | None) -> tuple[list[Finding], list[Proof]]:
    """Return what is found of each signature, and what it proves."""
    findings: list[Finding] = []
    proofs: list[Proof] = []
    for position, signature in enumerate(mail_seen.signatures(raw)):
        finding, holds = await _signature(raw, signature, position, names, record)
        findings.append(finding)
        proofs.append(Proof(by="DKIM", domain=signature.domain, holds=holds))
    return findings, proofs


async def _signature(
    raw: bytes, signature: Signature, position: int, names: Names, record: str | None
) -> tuple[Finding, bool | None]:
    who = f"signed for {signature.domain} (selector {signature.selector})"
    if not signature.covers_leaving:
        says = f"{who}, but not over both unsubscribe headers: receivers will offer no one-click unsubscribe"
        do = "have whatever signs cover List-Unsubscribe and List-Unsubscribe-Post, or sign here with DKIM_KEY"
        return Finding(check="DKIM", ok=False, says=says, do=do), None
    who += ", over both unsubscribe headers"
    if find_spec("dkim") is None:
        do = "pip install afterhello[dkim]"
        return Finding(check="DKIM", ok=None, says=f"{who}; to verify it takes the extra `dkim`", do=do), None
    try:
        wrong = await mail_seen.wrong_with(raw, signature, position, names)
    except Silent as error:
        return Finding(check="DKIM", ok=None, says=f"{who}; not verified: {error}", do=LOOK), None
    if wrong is None:
        return Finding(check="DKIM", ok=True, says=f"{who}, and verified with the key in DNS"), True
    do = f"publish {signature.key_name} TXT {record or 'with the public half of the key'}"
    return Finding(check="DKIM", ok=False, says=f"{who}, but {wrong}", do=do), False


async def _spf(domain: str, host: str, names: Names) -> tuple[Finding, Proof]:
    try:
        addresses = await names.addresses(host)
        public = [address for address in addresses if address.is_global]
        found = [await sender_policy.judge(names, domain, address) for address in public or addresses]
    except Silent as error:
        says = f"whether {domain} lets {host} send could not be looked up: {error}"
        return Finding(check="SPF", ok=None, says=says, do=LOOK), Proof(by="SPF", domain=domain, holds=None)
    for policy in found:
        if policy.result in {"none", "broken"}:
            says = f"{domain} has no SPF record" if policy.why is None else f"the SPF record of {domain}: {policy.why}"
            do = f"publish one TXT at {domain}: v=spf1, what the mail server's operator says to include, and ~all"
            return Finding(check="SPF", ok=False, says=says, do=do), Proof(by="SPF", domain=domain, holds=False)
        if {"all", "+all"} & set((policy.record or "").lower().split()):
            do = "end it with ~all or -all"
            says = f"the SPF record of {domain} lets everybody send as {domain}"
            return Finding(check="SPF", ok=False, says=says, do=do), Proof(by="SPF", domain=domain, holds=None)
    if not found:
        says = f"the mail server {host} has no address in DNS"
        return Finding(check="SPF", ok=None, says=says, do=LOOK), Proof(by="SPF", domain=domain, holds=None)
    record = f"{domain} ({found[0].record})"
    if public and all(policy.result == "pass" for policy in found):
        says = f"{record} lets {host} send, if it sends from the address we reach it at"
        return Finding(check="SPF", ok=True, says=says), Proof(by="SPF", domain=domain, holds=True)
    why = (
        f"says {found[0].result} for its address"
        if public
        else "cannot be asked about it, as its address is not public"
    )
    says = f"{record} {why}: right only if {host} sends mail on from others"
    return Finding(check="SPF", ok=None, says=says, do=LOOK), Proof(by="SPF", domain=domain, holds=None)


async def _dmarc(own: str, proofs: Sequence[Proof], names: Names) -> Finding:
    try:
        policies = await domain_policy.found(names, own)
        aligned = {proof: await _is_aligned(own, policies, proof, names) for proof in proofs}
    except Silent as error:
        told = " ".join(_told_without_dns(own, proof) for proof in proofs if proof.domain)
        says = f"the policy of {own} could not be looked up: {error}. {told}".strip()
        return Finding(check="DMARC", ok=None, says=says, do=LOOK)
    if not policies:
        do = f"publish _dmarc.{own} TXT v=DMARC1; p=none; rua=mailto:... (an address that takes reports)"
        return Finding(check="DMARC", ok=False, says=f"{own}, the domain of From, has no policy", do=do)
    asks = f"{own} asks for {policies[0].asks(own)} of what fails"
    words = {proof: f"{proof.by} ({proof.domain or 'the mail server'})" for proof in proofs}
    passing = [words[proof] for proof in proofs if aligned[proof] and proof.holds]
    if passing:
        return Finding(check="DMARC", ok=True, says=f"passes by {' and by '.join(passing)}; {asks}")
    perhaps = [words[proof] for proof in proofs if aligned[proof] is not False and proof.holds is None]
    if perhaps:
        says = f"passes if {' or '.join(perhaps)} does, which cannot be told from here; {asks}"
        return Finding(check="DMARC", ok=None, says=says, do=LOOK)
    says = f"fails: neither DKIM nor SPF proves a domain that belongs to {own}; {asks}"
    do = f"sign for {own} with DKIM_KEY, or have the mail server sign for it"
    return Finding(check="DMARC", ok=False, says=says, do=do)


async def _is_aligned(own: str, policies: list[DomainPolicy], proof: Proof, names: Names) -> bool | None:
    if proof.domain is None:
        return None
    strict = policies and policies[0].tags.get("adkim" if proof.by == "DKIM" else "aspf") == "s"
    if strict or proof.domain == own:
        return proof.domain == own
    theirs = await domain_policy.found(names, proof.domain)
    return domain_policy.organisation(own, policies) == domain_policy.organisation(proof.domain, theirs)


def _told_without_dns(own: str, proof: Proof) -> str:
    assert proof.domain is not None
    aligned = domain_policy.surely_aligned(proof.domain, own)
    words = {True: "belongs to", False: "does not belong to", None: "may belong to"}[aligned]
    return f"The domain of {proof.by}, {proof.domain}, {words} that of From."
