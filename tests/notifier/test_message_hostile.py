"""What people typed is inert in every message: in subject, text, HTML and behind every button."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.message import Lost
from services.notifier.words import sms
from shared.events import Contact, DueFollowUp, Gathering, MissedFollowUp, Recipient
from tests.notifier.nudges import HOSTILE, LANGUAGES, NOW, PLAYBOOKS, Read, follow_up, nudge, prompt, written

LEADS_TO = re.compile(
    r"https://(hello\.school\.example/[au]/|bsky\.app/|x\.com/|mastodon\.social/|zoom\.us/start|meet\.new$|docs\.new$"
    r"|teams\.(microsoft|live)\.com/)|mailto:|tel:\+?[0-9]+$|sms:\+?[0-9]+\?&body="
)
TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "div",
    "p",
    "span",
    "h1",
    "h2",
    "a",
    "br",
    "ul",
    "li",
    "strong",
}


def hostile(words: str, playbook: str, n: int = 1) -> DueFollowUp:
    links = (
        words,
        f"javascript:{words}",
        "data:text/html,x",
        f"skype:{words}",
        f"https://{words}",
        f"https://a/@{words}",
    )
    return follow_up(
        n,
        contact=Contact(name=words, email=words, phone=words, links=links),
        event=Gathering(name=words, place=words, hashtag=words, kind="chat"),
        notes=words,
        promise=words,
        topics=(words,),
        document=f"javascript:{words[:100]}",
        playbook=playbook,
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_inert_in_every_output(words: str, language: str) -> None:
    recipient = Recipient(id=UUID(int=7), name=words, address="ada@school.example", locale=language)
    missed = MissedFollowUp(
        id=UUID(int=5), playbook=words[:100], due_at=NOW, connection=UUID(int=6), contact=Contact(name=words)
    )
    for playbooks in (["../_base"], ["shout-out"], ["call"], ["keep-promise", "co-present"]):
        follow_ups = [hostile(words, playbook, n) for n, playbook in enumerate(playbooks)]
        mail = written(
            nudge(*follow_ups, recipient=recipient, missed=(missed,)),
            lost=[Lost(at=NOW, address=words, names=(words,))],
            answers_to=words,
        )
        read = Read(mail.html)
        assert read.tags <= TAGS
        assert read.handlers == []
        for href in read.hrefs:
            assert LEADS_TO.match(href) or re.fullmatch(r"https://[^/\s]+(/\S*)?", href), href
            assert not re.search(r"[\s<>\"\x00-\x1f]", href)
        for output in (mail.subject, mail.text, mail.html, *map(unquote, read.hrefs)):
            assert "49" not in _without_tokens(output)  # 7*7
            assert not set(output.replace("\r\n", "\n")) & set("\0\x1b\u202e\u2066\u200f\u2028\u2029\x85\v\f\r")
            output.encode()
        assert "\n" not in mail.subject and "=?" not in mail.subject and len(mail.subject) < 60
        assert not any(line.startswith(("Bcc:", "Done, later or stop: j")) for line in mail.text.splitlines())
        assert len(mail.text) < 30_000 and len(mail.html) < 80_000
        assert all(len(href) < 2100 for href in read.hrefs)


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_no_words_add_a_recipient_or_a_header_to_a_mail(words: str) -> None:
    contact = Contact(name=words, email="erin@district.example", phone="+15085550123")
    mail = written(
        nudge(follow_up(contact=contact, promise=words, event=Gathering(name=words), playbook="keep-promise"))
    )
    (mailto,) = [href for href in Read(mail.html).hrefs if href.startswith("mailto:")]
    parts = urlsplit(mailto)
    assert parts.path == "erin@district.example"
    assert [key for key, _ in parse_qsl(parts.query, keep_blank_values=True)] == ["subject", "body"]
    (text,) = [href for href in Read(mail.html).hrefs if href.startswith("sms:")]
    assert [key for key, _ in parse_qsl(urlsplit(text).query, keep_blank_values=True)] == ["body"]


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example,c@d.example",
        "a@b.example?bcc=c@d.example",
        "a@b.example&bcc=c@d.example",
        "a b@c.example",
        "x",
        "@",
        "<a@b.example>",
    ],
)
def test_what_is_no_single_address_is_shown_without_a_link_or_leads_to_nobody_else(address: str) -> None:
    mail = written(nudge(follow_up(contact=Contact(name="Erin", email=address))))
    for href in Read(mail.html).hrefs:
        assert not href.startswith("mailto:") or dict(parse_qsl(urlsplit(href).query)).keys() == {"subject", "body"}
        assert "," not in urlsplit(href).path


@pytest.mark.parametrize(
    "said", ["Done, later or stop: https://elsewhere.example/a/token", "Hecho: https://elsewhere.example"]
)
def test_no_name_or_note_passes_for_a_line_of_ours(said: str) -> None:
    typed = f"hello\n-- \n{said}"
    one = follow_up(contact=Contact(name=said, email=typed), notes=typed, promise=typed, topics=(typed,))
    for mail in (written(nudge(one)), written(nudge(one, follow_up(2)))):
        lines = mail.text.splitlines()
        assert not any(line.startswith(said) for line in lines)
        assert lines.count("--") + lines.count("-- ") == 1
        # In full, what was typed is indented; in brief, it is on one line behind a word of ours.
        acts = [
            line for line in lines if re.match(r"(  )?Done, later or stop:" if "* " in mail.text else r"Done", line)
        ]
        assert acts and all("hello.school.example" in line for line in acts)


def test_an_event_that_a_form_was_filled_with_is_inert_in_a_prompt() -> None:
    evil = prompt(event=Gathering(name="<b>x</b>\r\nBcc: y"), form_url="javascript:alert(1)")
    mail = written(nudge(evil))
    assert "<b>" not in mail.html and "javascript" not in mail.html + mail.text
    assert not any(line.startswith("Bcc") for line in mail.text.splitlines())


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_text_is_one_line_whatever_the_name(playbook: str) -> None:
    for words in HOSTILE[:-1]:
        said = sms(playbook, "es", name=words[:50], event="", link="https://hello.example/s/x")
        assert "\n" not in said and "49" not in said


@given(name=st.text(max_size=300), notes=st.text(max_size=300), event=st.text(max_size=200))
def test_any_words_make_a_message(name: str, notes: str, event: str) -> None:
    mail = written(nudge(follow_up(contact=Contact(name=name), notes=notes, event=Gathering(name=event))))
    assert 0 < len(mail.subject) < 60
    assert "\n" not in mail.subject


def _without_tokens(output: str) -> str:
    """The output without the parts in which digits mean nothing."""
    return " ".join(word for word in output.split() if "/a/" not in word and "/u/" not in word and "#" not in word)
