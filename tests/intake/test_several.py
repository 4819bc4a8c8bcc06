"""Several contacts in one submission, numbered or in a group that is filled in once for each."""

from typing import Any

import pytest

from services.intake import mapping, meeting
from services.intake.answers import Answer, Kind, Submission, Value
from services.intake.body import Invalid
from services.intake.mapping import Mapped
from services.intake.meeting import Defaults
from services.intake.shapes import rows


def ask(title: str, value: Value | None = "x", kind: Kind = "text", *names: str) -> Answer:
    return Answer(names=names or (f"id-{title}",), title=title, kind=kind, value=value)


def mapped(*answers: Answer, fixed: dict[str, str] | None = None, **given: Any) -> Mapped:
    return mapping.apply(
        Submission(key="1", answers=answers), mapping=given.get("maps", {}), fixed=fixed or {}, owner_is_known=True
    )


ERIN_AND_BO = (
    ask("Contact 1 name", "Erin"),
    ask("Contact 1 email", "erin@district.example", "email"),
    ask("Contact 2 name", "Bo"),
    ask("Contact 2 email", None, "email"),
    ask("Contact 3 name", None),
)
BOTH = [{"name": "Erin", "email": "erin@district.example"}, {"name": "Bo"}]


def test_numbered_questions_are_about_several_contacts() -> None:
    result = mapped(*ERIN_AND_BO)
    assert result.document == {"contacts": BOTH}
    assert result.numbers == (1, 2)


@pytest.mark.parametrize(
    "titles",
    [
        ("Who did you meet? (1)", "Their email (1)", "Who did you meet? (2)"),
        ("First person's name", "First person's email", "Second person's name"),
        ("Person #1: Name", "Person #1: E-mail", "Person #2: Name"),
        ("Nombre del contacto 1", "Correo del contacto 1", "Nombre del contacto 2"),
        ("Name 1", "Email 1", "Name 2"),
    ],
)
def test_numbers_are_understood_wherever_they_stand(titles: tuple[str, str, str]) -> None:
    values = zip(titles, ("Erin", "erin@district.example", "Bo"), strict=True)
    assert mapped(*(ask(title, value) for title, value in values)).document == {"contacts": BOTH}


def test_one_field_stands_for_all_numbers_of_a_form() -> None:
    asked = (ask("Met 1", "Erin"), ask("Reach 1", "erin@district.example"), ask("Met 2", "Bo"), ask("Met 10", None))
    maps = {"contacts[#].name": "Met #", "contacts.#.email": "reach #"}
    assert mapped(*asked, maps=maps).document == {"contacts": BOTH}


def test_each_may_be_mapped_by_itself() -> None:
    maps = {"contact.name": "A", "contacts[2].name": "B", "contacts.2.phone": "C"}
    assert mapped(ask("A", "Erin"), ask("B", "Bo"), ask("C", "+1"), maps=maps).document == {
        "contact": {"name": "Erin"},
        "contacts": [{"name": "Bo", "phone": "+1"}],
    }


def test_the_first_may_be_guessed_where_only_others_are_mapped() -> None:
    asked = (ask("Who did you meet?", "Erin"), ask("And then?", None, "text", "q2"))
    assert mapped(*asked, maps={"contacts[2].name": "q2"}).document == {"contact": {"name": "Erin"}}


def test_the_lines_of_a_group_are_people() -> None:
    lines = [{"Name": "Erin", "E-mail": "erin@district.example"}, {"Name": "Bo", "E-mail": ""}, {"Name": ""}]
    cells = rows(lines, names=("q6_people",), title="people")
    assert mapped(*cells).document == {"contacts": BOTH}
    maps = {"contacts[#].name": "q6_people[#].Name", "contacts[#].email": "q6_people[#].E-mail"}
    assert mapped(*cells, maps=maps).document == {"contacts": BOTH}


def test_what_is_set_and_asked_once_holds_for_each() -> None:
    agreed = ask("Do they agree?", "Yes", "yes-no", "q9")
    result = mapped(*ERIN_AND_BO, agreed, maps={"contact.consent": "q9"}, fixed={"contact.links": "x.example"})
    assert result.document == {"contacts": [{"links": ["https://x.example"], "consent": True} | one for one in BOTH]}


def test_a_question_that_only_holds_a_number_is_no_contact() -> None:
    assert mapped(ask("Where did you eat on day 2?", "x"), ask("2 things you learnt", "y")).document == {}


def test_errors_name_the_contact_as_the_form_counts_them() -> None:
    result = mapped(
        ask("Contact 2 name", "Bo"), ask("Contact 2 email", "bo", "email"), fixed={"owner.email": "a@b.example"}
    )
    with pytest.raises(Invalid) as invalid:
        meeting.read(result.document, plans=("default",), defaults=Defaults())
    [error] = mapping.explained(invalid.value.errors, result)
    assert error["field"] == "contacts[2].email"
    assert error["problem"].endswith("(the answer to “Contact 2 email”)")


def test_a_missing_name_says_which_question_was_looked_for() -> None:
    maps = {"contacts[#].name": "Met #", "contacts[#].email": "Reach #"}
    result = mapped(ask("Reach 1", "erin@district.example"), maps=maps, fixed={"owner.email": "a@b.example"})
    with pytest.raises(Invalid) as invalid:
        meeting.read(result.document, plans=("default",), defaults=Defaults())
    [error] = mapping.explained(invalid.value.errors, result)
    assert error["field"] == "contacts[1].name"
    assert error["problem"] == "is required (looked for the question “Met #”, which the form does not have)"


@pytest.mark.parametrize(
    ("maps", "fixed", "problem"),
    [
        ({"contacts[#].name": "Met"}, {}, "needs a # in its QUESTION"),
        ({"contacts[51].name": "Met"}, {}, "at most 50"),
        ({"contacts[1].nmae": "Met"}, {}, "is no field"),
        ({"contacts[1].name": "a", "contacts.01.name": "b"}, {}, "twice"),
        ({}, {"contacts[1].name": "Met"}, "is no field"),
    ],
)
def test_a_mapping_of_several_that_cannot_work_is_refused(
    maps: dict[str, str], fixed: dict[str, str], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        mapping.check(maps, fixed)
