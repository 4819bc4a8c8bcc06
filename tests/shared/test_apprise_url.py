"""Which addresses of other services may be written to."""

import warnings

import pytest

from shared.apprise_url import ON_A_HOST, SERVICES, wrong

HOSTS = ("ntfy.school.example", "10.1.2.3")


@pytest.mark.parametrize(
    "address",
    [
        "ntfy://my-topic",
        "ntfys://my-topic",
        "ntfy://my-topic?priority=high",
        "ntfys://ntfy.sh/my-topic",
        "ntfys://user:password@ntfy.school.example/my-topic",
        "gotify://10.1.2.3:8080/token",
        "apprises://ntfy.school.example/token",
        "json://ntfy.school.example/hook",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
    ],
)
def test_services_and_trusted_hosts_may_be(address: str) -> None:
    assert wrong(address, HOSTS) is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("json://127.0.0.1:5432/", "APPRISE_HOSTS"),
        ("jsons://169.254.169.254/latest/meta-data", "APPRISE_HOSTS"),
        ("ntfy://localhost/topic", "APPRISE_HOSTS"),
        ("ntfy://ntfy.school.example.evil.example/topic", "APPRISE_HOSTS"),
        ("ntfy://ntfy.school.example@evil.example/topic", "APPRISE_HOSTS"),
        ("gotify://[::1]/token", "APPRISE_HOSTS"),
        ("apprise://rabbitmq:15672/x", "APPRISE_HOSTS"),
        ("mailto://me:secret@mail.example", "is none"),
        ("rsyslog://10.1.2.3", "is none"),
        ("syslog://", "address of a service"),
        ("syslog://local7", "is none"),
        ("amqp://10.1.2.3", "is none"),
        ("file:///etc/passwd", "address of a service"),
        ("exec://ls", "is none"),
        ("vapid://keyfile/subscriber", "is none"),
        ("fcm://project@host/?keyfile=/etc/passwd", "keyfile"),
        ("slack://a/b/c?template=/etc/passwd", "template"),
        ("ntfy://topic?attach=http://10.0.0.1/", "attach"),
        ("ntfy://topic?mode=private", "mode"),
        ("ntfy://topic#x", "address of a service"),
        ("ntfy://to pic", "address of a service"),
        ("ntfy://top\nic", "address of a service"),
        ("ntfy://[", "address of a service"),
        ("ntfy://" + "a" * 500, "address of a service"),
        ("ntfy", "address of a service"),
        ("", "address of a service"),
    ],
)
def test_nothing_else_may_be(address: str, words: str) -> None:
    said = wrong(address, HOSTS)
    assert said is not None and words in said and "secret" not in said and "/etc" not in said


def test_apprise_knows_them_all() -> None:
    apprise = pytest.importorskip("apprise")
    with warnings.catch_warnings(action="ignore"):  # of its plugins, all of which this imports
        plugins = apprise.Apprise().details()["schemas"]
    known = {
        scheme for plugin in plugins for scheme in [*(plugin["protocols"] or []), *(plugin["secure_protocols"] or [])]
    }
    assert known >= SERVICES | ON_A_HOST
