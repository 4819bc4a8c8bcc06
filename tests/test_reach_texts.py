"""What `afterhello doctor` says of texts."""

import pytest
from pydantic import SecretStr

from services.reach_texts import texts
from shared.settings import Settings
from tests.servers.twilio import ACCOUNT, NUMBER, Answer, TwilioServer


def settings(url: str) -> Settings:
    return Settings(sms_url=SecretStr(url), public_url="https://hello.school.example")


async def test_without_texts_there_is_nothing_to_say() -> None:
    assert await texts(Settings()) == []


async def test_twilio_is_asked_whether_it_lets_us_in(twilio: TwilioServer) -> None:
    [finding] = await texts(settings(twilio.url))
    assert finding.ok and NUMBER in finding.says and twilio.messages == []
    assert "a token" not in finding.says and ACCOUNT not in finding.says


async def test_what_twilio_finds_wrong_is_said(twilio: TwilioServer) -> None:
    [refused] = await texts(settings(f"twilio://{ACCOUNT}:wrong@{NUMBER}?api={twilio.base}"))
    assert not refused.ok and "refuses us: 401 20003" in refused.says and "SMS_URL" in (refused.do or "")

    twilio.account_status = "suspended"
    [suspended] = await texts(settings(twilio.url))
    assert not suspended.ok and "the account is suspended" in suspended.says

    twilio.answer("account", Answer(status=503))
    [away] = await texts(settings(twilio.url))
    assert not away.ok and "503" in away.says
    [nowhere] = await texts(settings(twilio.url.replace(twilio.base, "http://127.0.0.1:9")))
    assert not nowhere.ok and "not reached" in nowhere.says


@pytest.mark.parametrize(
    ("url", "ok", "says"),
    [
        ("twilio://AC0:secret@Afterhello", False, "behind the @ belongs the sender"),
        ("https://gateway.example/send?to={to}", False, "needs {to} and {text}"),
        ("https://gateway.example/send?to={to}&text={text}&key=secret", True, "gateway.example is told by GET"),
        ("http://gateway.example/send?to={to}&text={text}&key=secret#json", False, "gateway.example is told by JSON"),
        ("http://127.0.0.1:8000/send?to={to}&text={text}", True, "told by GET"),
    ],
)
async def test_what_sms_url_lacks_is_said_without_its_secret(url: str, ok: bool, says: str) -> None:
    [finding] = await texts(settings(url))
    assert finding.ok == ok and says in finding.says and "secret" not in f"{finding}"
    assert finding.do is not None or ok
