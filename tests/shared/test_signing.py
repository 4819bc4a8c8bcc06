import string
from datetime import timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.signing import BadToken, Box, Signer, fingerprint

OLD, NEW, OTHER = (SecretStr(letter * 32) for letter in "abc")


def test_a_token_reads_as_what_was_signed() -> None:
    signer = Signer([NEW], purpose="act")
    assert signer.read(signer.sign(["x", 1, None])) == ["x", 1, None]


def test_a_token_is_safe_in_a_url() -> None:
    token = Signer([NEW], purpose="act").sign({"name": "Ünï/?&= +"})
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


def test_a_token_of_another_purpose_is_refused() -> None:
    with pytest.raises(BadToken, match="not one of ours"):
        Signer([NEW], purpose="leave").read(Signer([NEW], purpose="act").sign(1))


def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies() -> None:
    before, both, after = (Signer(keys, purpose="act") for keys in ([OLD], [NEW, OLD], [NEW]))

    assert both.read(before.sign(1)) == 1
    assert after.read(both.sign(2)) == 2
    with pytest.raises(BadToken):
        after.read(before.sign(1))


def test_an_old_token_is_refused_in_words_only_where_age_matters() -> None:
    signer = Signer([NEW], purpose="act")
    with time_machine.travel("2026-01-01", tick=False):
        token = signer.sign(1)
    with time_machine.travel("2026-04-02", tick=False):
        assert signer.read(token) == 1
        assert signer.read(token, max_age=timedelta(days=92)) == 1
        with pytest.raises(BadToken, match="this link has expired"):
            signer.read(token, max_age=timedelta(days=90))


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(BadToken):
        Signer([NEW], purpose="act").read(text)


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_no_letter_of_a_token_can_be_changed(place: int, letter: str) -> None:
    signer = Signer([NEW], purpose="act")
    token = signer.sign({"person": "ada", "at": 123456})
    place %= len(token) - 1  # the last one carries bits that mean nothing: several spellings, one meaning
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(BadToken):
            signer.read(changed)


def test_a_box_opens_with_any_of_its_keys_and_no_other() -> None:
    sealed = Box([OLD]).seal("whsec_é")

    assert "whsec" not in sealed
    assert Box([NEW, OLD]).open(sealed) == "whsec_é"
    with pytest.raises(BadToken, match="another SECRET_KEY"):
        Box([OTHER]).open(sealed)
    assert Box([NEW]).open(Box([NEW, OLD]).seal("x")) == "x"


@given(st.text(max_size=60))
def test_no_text_opens_a_box(text: str) -> None:
    with pytest.raises(BadToken):
        Box([NEW]).open(text)


def test_a_fingerprint_is_the_sha_256() -> None:
    assert fingerprint("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
