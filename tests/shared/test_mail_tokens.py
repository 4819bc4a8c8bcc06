from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies
from pydantic import SecretStr

from shared.mail_tokens import MailTokens, Use
from shared.signing import BadToken

KEY = SecretStr("a key that only these tests know, of length")
NEWER = SecretStr("a newer key, which signs from today on, so")
ADDRESS = "reply@in.School.example"
USES: tuple[Use, ...] = ("bounce", "reply", "unsub")
TOKENS = MailTokens(ADDRESS, [KEY])


def token(address: str) -> str:
    return address.partition("@")[0].partition("+")[2]


@pytest.mark.parametrize("use", USES)
@given(strategies.uuids())
def test_an_address_names_one_nudge_in_a_local_part_that_smtp_can_carry(use: Use, nudge: UUID) -> None:
    address = TOKENS.address(use, nudge)
    local, _, domain = address.partition("@")

    assert domain == "in.school.example" and local.startswith(f"{use}+")
    assert len(local) <= 64 and local == local.lower() and local.isascii()
    assert TOKENS.read(use, token(address)) == nudge
    assert TOKENS.read(use, token(address).upper()) == nudge  # some servers change the case


def test_an_address_for_one_use_is_not_one_for_another() -> None:
    nudge = uuid4()
    for made in USES:
        for read in USES:
            if made != read:
                with pytest.raises(BadToken):
                    TOKENS.read(read, token(TOKENS.address(made, nudge)))


def test_a_changed_token_is_refused() -> None:
    good = token(TOKENS.address("bounce", uuid4()))
    others = "abcdefghijklmnopqrstuvwxyz234567"
    for place in range(len(good) - 1):  # of the last character three bits count
        changed = good[:place] + next(c for c in others if c != good[place]) + good[place + 1 :]
        with pytest.raises(BadToken):
            TOKENS.read("bounce", changed)
    for wrong in ("", "a", good[:-2], good + "aa", "é" * 42, "1" * 42, "x" * 10_000):
        with pytest.raises(BadToken):
            TOKENS.read("bounce", wrong)


def test_a_key_may_be_changed_and_taken_away() -> None:
    nudge = uuid4()
    address = TOKENS.address("reply", nudge)
    both, after = MailTokens(ADDRESS, [NEWER, KEY]), MailTokens(ADDRESS, [NEWER])

    assert both.read("reply", token(address)) == nudge
    assert after.read("reply", token(both.address("reply", nudge))) == nudge
    with pytest.raises(BadToken):
        after.read("reply", token(address))
