"""Guesses in two languages, about whoever answered, and what belongs behind an answer."""

from typing import Any

import pytest

from services.intake import mapping
from services.intake.answers import Answer, Kind, Submission, Value
from services.intake.guesses import tidied


def ask(title: str, value: Value | None = "x", kind: Kind = "text", **given: Any) -> Answer:
    return Answer(names=(f"id-{title}",), title=title, kind=kind, value=value, **given)


def document(*answers: Answer, maps: dict[str, str] | None = None, owner_is_known: bool = False) -> dict[str, Any]:
    submission = Submission(key="1", answers=answers)
    return mapping.apply(submission, mapping=maps or {}, fixed={}, owner_is_known=owner_is_known).document


def flat(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        found |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return found


@pytest.mark.parametrize(
    ("title", "kind", "field"),
    [
        ("¿Cuál es tu correo electrónico?", "email", "owner.email"),
        ("Mi correo", "text", "owner.email"),
        ("Correo electrónico", "text", "owner.email"),
        ("Correo electrónico del contacto", "text", "contact.email"),
        ("Correo de la persona", "email", "contact.email"),
        ("Email address of the contact", "text", "contact.email"),
        ("Teléfono del contacto", "phone", "contact.phone"),
        ("Tu teléfono móvil", "phone", "owner.phone"),
        ("¿A quién conociste?", "text", "contact.name"),
        ("¿Con quién hablaste?", "text", "contact.name"),
        ("Nombre de la persona", "text", "contact.name"),
        ("Nuevo contacto", "text", "contact.name"),
        ("Who did you connect with?", "text", "contact.name"),
        ("Who you met", "text", "contact.name"),
        ("Person met", "text", "contact.name"),
        ("Contact's name", "text", "contact.name"),
        ("who Did", "text", "contact.name"),
        ("Tu nombre", "text", "owner.name"),
        ("¿Quién eres?", "text", "owner.name"),
        ("Enlace", "url", "contact.links"),
        ("Tipo de evento", "choice", "event.kind"),
        ("¿Dónde se conocieron?", "text", "event.name"),
        ("¿En qué congreso?", "text", "event.name"),
        ("Nombre del evento", "text", "event.name"),
        ("At which conference?", "text", "event.name"),
        ("Ciudad", "text", "event.place"),
        ("¿Cuándo?", "date", "met_at"),
        ("Fecha del encuentro", "date", "met_at"),
        ("Date you met", "date", "met_at"),
        ("Meeting date", "date", "met_at"),
        ("¿Para cuándo?", "date", "goal_at"),
        ("¿Qué le prometiste?", "text", "promise"),
        ("¿Qué vas a enviar?", "text", "promise"),
        ("Próximo paso", "text", "promise"),
        ("Promesa", "text", "promise"),
        ("¿Cómo se llama la persona que conociste?", "text", "contact.name"),
        ("¿Cuál es su nombre?", "text", "owner.name"),
        ("Temas en común", "text", "topics"),
        ("¿De qué hablaron?", "text", "notes"),
        ("Observaciones", "text", "notes"),
        ("Conversation notes", "text", "notes"),
        ("Enlace al documento", "url", "document"),
        ("Zona horaria", "choice", "owner.time_zone"),
        ("event_name", "hidden", "event.name"),
        ("Owner email", "text", "owner.email"),
        ("contact name", "text", "contact.name"),
    ],
)
def test_a_title_in_either_language_tells_the_field(title: str, kind: Kind, field: str) -> None:
    found = flat(document(ask(title, "2026-10-21", kind)))
    assert list(found) == [field]


@pytest.mark.parametrize("title", ["Contact consent", "¿Acepta que le escribamos?", "Nota media", "El evento del año"])
def test_consent_and_the_like_are_never_guessed(title: str) -> None:
    assert "contact.consent" not in flat(document(ask(title, True, "yes-no")))


RESPONDENT = ask("respondentEmail", "ada@school.example", "hidden", stands_for="owner.email")
ANSWERED = ask("submittedAt", "2026-10-21T18:10:00Z", "hidden", stands_for="met_at")


def test_whoever_answered_is_the_owner_and_then_is_when_they_met() -> None:
    assert document(ask("Who did you meet?", "Erin"), RESPONDENT, ANSWERED) == {
        "contact": {"name": "Erin"},
        "owner": {"email": "ada@school.example"},
        "met_at": "2026-10-21T18:10:00Z",
    }


def test_a_question_that_says_it_counts_before_whoever_answered() -> None:
    asked = (ask("Your email", "b@school.example", "email"), ask("When did you meet?", "2026-10-20", "date"))
    assert document(*asked, RESPONDENT, ANSWERED) == {
        "owner": {"email": "b@school.example"},
        "met_at": "2026-10-20",
    }


def test_a_mapping_counts_before_whoever_answered() -> None:
    assert document(ask("Addr", "b@school.example"), RESPONDENT, maps={"owner.email": "addr"}) == {
        "owner": {"email": "b@school.example"}
    }
    assert document(RESPONDENT, maps={"contact.email": "respondentEmail"}) == {
        "contact": {"email": "ada@school.example"}
    }


@pytest.mark.parametrize(
    ("email", "owner", "contact"),
    [
        ("erin@district.example", "ada@school.example", "erin@district.example"),
        ("ADA@school.example", "ADA@school.example", None),
    ],
)
def test_a_bare_email_is_the_contacts_unless_it_is_that_of_whoever_answered(
    email: str, owner: str, contact: str | None
) -> None:
    found = document(ask("Who did you meet?", "Erin"), ask("Email", email, "email"), RESPONDENT)
    assert found["owner"]["email"] == owner
    assert found["contact"].get("email") == contact


def test_a_bare_name_is_the_contacts_only_where_nothing_else_asks_for_them() -> None:
    assert document(ask("Name", "Erin"), RESPONDENT)["contact"] == {"name": "Erin"}
    found = document(ask("Name", "Ada"), ask("Who did you meet?", "Erin"), RESPONDENT)
    assert (found["owner"]["name"], found["contact"]["name"]) == ("Ada", "Erin")


def test_the_family_name_and_the_time_stand_behind() -> None:
    asked = (
        ask("Their first name", "Erin"),
        ask("Their last name", "O'Neil"),
        ask("Date", "2026-10-21", "date"),
        ask("Time", "9:05"),
    )
    assert document(*asked) == {"contact": {"name": "Erin O'Neil"}, "met_at": "2026-10-21 09:05"}
    assert document(ask("Nombre", "Erin"), ask("Apellidos", "O'Neil"), owner_is_known=True) == {
        "contact": {"name": "Erin O'Neil"}
    }


def test_what_stands_behind_is_used_too() -> None:
    submission = Submission(key="1", answers=(ask("Date", "2026-10-21", "date"), ask("Time", "9:05"), ask("Else", "x")))
    assert [answer.title for answer in mapping.apply(submission, mapping={}, fixed={}).unused] == ["Else"]


@pytest.mark.parametrize("su_comes_first", [False, True])
def test_su_is_theirs_where_the_form_says_tu(su_comes_first: bool) -> None:
    theirs = (
        ask("Su correo", "erin@district.example", "email"),
        ask("Su teléfono", "+34600000000", "phone"),
        ask("¿Cuál es su nombre?", "Erin"),
    )
    yours = (ask("Tu correo electrónico", "ada@school.example", "email"),)

    found = document(*(theirs + yours if su_comes_first else yours + theirs))

    assert found["owner"] == {"email": "ada@school.example"}
    assert found["contact"] == {"email": "erin@district.example", "phone": "+34600000000", "name": "Erin"}


def test_where_the_form_says_whose_one_is_the_other_is_theirs() -> None:
    found = document(
        ask("Your email", "ada@school.example", "email"), ask("Name", "Erin"), ask("Email", "erin@district.example")
    )
    assert found["owner"] == {"email": "ada@school.example"}
    assert found["contact"] == {"name": "Erin", "email": "erin@district.example"}


def test_a_number_that_may_be_the_contacts_is_not_taken_for_the_owners() -> None:
    found = document(
        ask("Your email", "ada@school.example", "email"),
        ask("Who did you meet?", "Erin"),
        ask("Phone", "+15085550123", "phone"),
    )
    assert found == {"owner": {"email": "ada@school.example"}, "contact": {"name": "Erin"}}


def test_spanish_counts_people_with_the_number_within_the_title() -> None:
    found = document(
        ask("Contacto 1 nombre", "Erin"),
        ask("Contacto 1 correo", "erin@district.example", "email"),
        ask("Persona 2: nombre", "Bo"),
        ask("Persona 2: teléfono", "+34600000000", "phone"),
    )
    assert found["contacts"] == [
        {"name": "Erin", "email": "erin@district.example"},
        {"name": "Bo", "phone": "+34600000000"},
    ]


def test_su_is_theirs_where_the_owner_is_known() -> None:
    asked = (ask("¿A quién conociste?", "Erin"), ask("¿Cuál es su correo?", "erin@district.example", "email"))
    assert document(*asked)["owner"] == {"email": "erin@district.example"}
    both = {"name": "Erin", "email": "erin@district.example"}
    assert document(*asked, owner_is_known=True) == {"contact": both}
    assert document(*asked, RESPONDENT) == {"contact": both, "owner": {"email": "ada@school.example"}}


def test_a_mapping_may_join_questions() -> None:
    asked = (ask("First", "Erin"), ask("Last", None), ask("a + b", "whole"), ask("a", "part"))
    assert document(*asked, maps={"contact.name": "First + Last", "notes": "A + B"}) == {
        "contact": {"name": "Erin"},
        "notes": "whole",
    }


def test_a_guessed_kind_that_is_none_of_ours_is_another_one() -> None:
    assert document(ask("What kind of event?", "Picnic", "choice"))["event"] == {"kind": "other"}
    assert document(ask("Kind", "Picnic"), maps={"event.kind": "kind"})["event"] == {"kind": "picnic"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("कि", "की"), ("が", "か"), ("ñ" + "1", "n2"), ("🙂", "🙃")],
)
def test_titles_that_differ_stay_different(one: str, other: str) -> None:
    asked = (ask(one, "first"), ask(other, "second"))
    assert document(*asked, maps={"notes": one, "promise": other}) == {"notes": "first", "promise": "second"}


def test_titles_that_only_look_different_are_the_same() -> None:
    assert tidied(" ¿A QUIÉN  conoció?") == tidied("a quien conocio") == "a quien conocio"
    assert tidied("Straße – Nr. 5") == tidied("STRASSE nr 5")
