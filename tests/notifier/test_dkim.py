"""Mails signed by ourselves: what a receiver makes of the signature, and what is said of a key that is no good."""

import re
from collections.abc import Callable
from typing import Final

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from services.notifier.channels import dkim_key
from services.notifier.channels.dkim_key import SIGNED, DkimKey
from services.notifier.channels.email import Email
from services.notifier.channels.mail_bytes import sender
from services.notifier.channels.smtp_connections import Connections, server
from shared.settings import Settings, SettingsError
from tests.factories import at, due_follow_up, nudge_due
from tests.notifier.mail_channel import LONG
from tests.notifier.sending import LINKS
from tests.notifier.test_mail_bytes import TOKENS, header_lines, raw
from tests.servers.smtp import Mailbox

PRIVATE: Final = rsa.generate_private_key(65537, 2048)
PEM: Final = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key() -> DkimKey:
    found = dkim_key.read(Settings(dkim_key=SecretStr(PEM), dkim_selector="autumn"), domain="school.example")
    assert found is not None
    return found


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    """Answer as the name server of school.example would."""
    der = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + b"".join(der.splitlines()[1:-1])
    return record if name == b"autumn._domainkey.school.example." else None


def verified(mail: bytes) -> bool:
    return bool(dkim.verify(mail, dnsfunc=dns))


@pytest.fixture(scope="module")
def signed() -> bytes:
    return key().signed(raw(inbound=True))


def test_receivers_find_the_signature_good_and_ours(signed: bytes) -> None:
    assert verified(signed)
    tags = dkim.util.parse_tag_value(re.sub(rb"\s+", b" ", signed.partition(b"\r\nFrom:")[0].partition(b":")[2]))
    assert (tags[b"d"], tags[b"s"], tags[b"a"], tags[b"c"]) == (
        b"school.example",
        b"autumn",
        b"rsa-sha256",
        b"relaxed/relaxed",
    )
    named = [name.strip().lower() for name in tags[b"h"].decode().split(":")]
    assert sorted(named) == sorted(name.lower() for name in SIGNED * 2)
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(named)
    assert b"l" not in tags  # nothing may be put behind it


def test_it_stands_in_front_and_changes_nothing_else() -> None:
    mail = raw()
    signed = key().signed(mail)
    assert signed.endswith(mail) and signed.startswith(b"DKIM-Signature: ")
    assert b"\n" not in signed.replace(b"\r\n", b"")
    assert max(len(line) for line in header_lines(signed[: -len(mail)])) <= 78


@pytest.mark.parametrize("name", SIGNED)
def test_no_signed_header_can_be_changed_or_added_on_the_way(signed: bytes, name: str) -> None:
    header, blank, body = signed.partition(b"\r\n\r\n")
    added = f"{name}: eve@evil.example\r\n".encode() + signed
    assert not verified(added)
    assert not verified(header + f"\r\n{name}: eve@evil.example".encode() + blank + body)
    changed = re.sub(rf"(?mi)^{name}: ".encode(), f"{name}: x".encode(), signed)
    assert changed == signed or not verified(changed)


def test_what_mail_servers_do_on_the_way_breaks_nothing(signed: bytes) -> None:
    header, blank, body = signed.partition(b"\r\n\r\n")
    passed_on = b"Received: from here\r\n\tby there; today\r\nReturn-Path: <x@y.example>\r\n" + signed
    assert verified(passed_on)
    assert verified(header + blank + body + b"\r\n\r\n")
    refolded = re.sub(rb"(?m)^List-Unsubscribe: (<[^>]*>), ", rb"List-Unsubscribe: \1,\r\n\t", signed)
    assert refolded != signed and verified(refolded)
    assert not verified(header + blank + body.replace(b"Hello", b"Hallo", 1))


async def test_what_a_real_server_got_is_still_as_it_was_signed(mailbox: Mailbox) -> None:
    follow_up = due_follow_up(notes=".\n..\n" + ". " * 200 + "\n\n\n  \nñ 李 =\t=20  ", promise="." * 80)
    data = nudge_due(follow_ups=(follow_up,)).data
    connections = Connections(server(mailbox.url), hello="notifier.school.example", timeouts=LONG)
    mail_from = sender("Aftér Hello <hello@school.example>")
    email = Email(connections, mail_from=mail_from, links=LINKS, tokens=TOKENS, dkim=key())

    async def begin() -> bool:
        return True

    receipt = await email.send(data, f"<{data.nudge}@school.example>", now=at("2026-11-11 15:30"), begin=begin)
    await email.close()
    assert receipt.outcome == "sent"
    assert verified(mailbox.received[0].raw)


def test_without_a_key_nothing_is_signed() -> None:
    assert dkim_key.read(Settings(), domain="school.example") is None


@pytest.mark.parametrize("written", [PEM, PEM.replace("\n", "\\n"), f"  {PEM}\n\n"])
def test_a_key_may_be_written_on_one_line(written: str) -> None:
    found = dkim_key.read(Settings(dkim_key=SecretStr(written), dkim_selector="autumn"), domain="school.example")
    assert found is not None and verified(found.signed(raw()))


def wrong_keys() -> dict[str, tuple[str, str]]:
    def pem(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> str:
        locked = BestAvailableEncryption(password) if password else NoEncryption()
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()

    public = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {
        "nonsense": ("nonsense", "must be a private key"),
        "public": (public, "must be a private key"),
        "cut short": (PEM[:400], "must be a private key"),
        "locked": (pem(PRIVATE, b"secret"), "locked with a password"),
        "another kind": (pem(ed25519.Ed25519PrivateKey.generate()), "must be an RSA key"),
    }


@pytest.mark.parametrize("kind", wrong_keys())
def test_a_key_that_is_no_good_is_named_in_one_line_at_the_start(kind: str) -> None:
    written, words = wrong_keys()[kind]
    with pytest.raises(SettingsError, match=words) as refused:
        dkim_key.read(Settings(dkim_key=SecretStr(written), dkim_selector="autumn"), domain="school.example")
    said = str(refused.value)
    assert said.startswith("DKIM_KEY") and "\n" not in said and "PRIVATE KEY-----\n" not in said


def test_a_key_without_its_selector_is_named_too() -> None:
    with pytest.raises(SettingsError, match=r"^DKIM_SELECTOR is not set"):
        dkim_key.read(Settings(dkim_key=SecretStr(PEM)), domain="school.example")


def test_without_the_extra_it_says_which_one_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Callable[[str], None] = lambda name: None  # noqa: E731
    monkeypatch.setattr(dkim_key, "find_spec", absent)
    with pytest.raises(SettingsError, match=r"extra `dkim`: pip install afterhello\[dkim\]"):
        key()
