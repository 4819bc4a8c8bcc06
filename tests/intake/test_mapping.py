"""Answers become fields: mapped by id, ref or title, set, or guessed, and never by stealing."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.intake import mapping
from services.intake.answers import Answer, Kind, Submission, Value
from services.intake.body import FieldError
from services.intake.guesses import tidied
from services.intake.mapping import FIELDS, Mapped
from services.intake.providers import typeform

EXAMPLE = (Path(__file__).parent / "payloads" / "typeform" / "form_response.json").read_bytes()


def ask(title: str, value: Value | None = "x", kind: Kind = "text", *names: str) -> Answer:
    return Answer(names=names or (f"id-{tidied(title)}",), title=title, kind=kind, value=value)


def mapped(*answers: Answer, fixed: dict[str, str] | None = None, owner_is_known: bool = False, **maps: str) -> Mapped:
    """`contact__name="..."` maps `contact.name`."""
    wanted = {field.replace("__", "."): question for field, question in maps.items()}
    submission = Submission(key="1", answers=answers)
    return mapping.apply(submission, mapping=wanted, fixed=fixed or {}, owner_is_known=owner_is_known)


def how(result: Mapped, field: str) -> tuple[str, str | None]:
    [line] = [line for line in result.report if line.field == field]
    return line.how, line.question


@pytest.mark.parametrize("question", ["q1", "ref-1", "Who did you meet?", "who  DID you meet", "«Who did you meet»"])
def test_a_question_is_named_by_id_ref_or_title(question: str) -> None:
    result = mapped(ask("Who did you meet?", "Erin", "text", "q1", "ref-1"), promise=question)
    assert result.document == {"promise": "Erin"}
    assert how(result, "promise") == ("mapped", "Who did you meet?")


def test_an_id_counts_before_a_title() -> None:
    result = mapped(ask("b", "by title", "text", "a"), ask("x", "by id", "text", "b"), notes="b")
    assert result.document == {"notes": "by id"}


def test_accents_are_no_difference_between_titles() -> None:
    assert mapped(ask("¿A quién conoció?", "Erin"), contact__name="a quien conocio").document == {
        "contact": {"name": "Erin"}
    }


def test_of_questions_with_one_title_the_first_answered_counts() -> None:
    asked = (ask("Notes", None, "text", "1"), ask("Notes", "b", "text", "2"), ask("Notes", "c", "text", "3"))
    assert mapped(*asked, notes="notes").document == {"notes": "b"}


def test_a_guess_neither_overrides_a_mapping_nor_steals_its_answer() -> None:
    asked = (ask("Your name", "Ada"), ask("Who did you meet?", "Erin"), ask("Colleague", "Bo"))
    assert mapped(*asked, contact__name="Colleague", notes="Your name").document == {
        "contact": {"name": "Bo"},
        "notes": "Ada",
    }


def test_a_mapped_question_left_out_is_not_replaced_by_a_guess() -> None:
    result = mapped(ask("Colleague", None), ask("Who did you meet?", "Erin"), contact__name="Colleague")
    assert "contact" not in result.document
    assert how(result, "contact.name") == ("not answered", "Colleague")


def test_what_is_set_counts_before_what_is_answered() -> None:
    result = mapped(ask("Which event?", "MassCUE"), fixed={"event.name": "EdCamp Boston", "plan": "demo"})
    assert result.document == {"event": {"name": "EdCamp Boston"}, "plan": "demo"}


@pytest.mark.parametrize(
    ("title", "kind", "value", "field"),
    [
        ("Your email", "email", "ada@x.example", "owner.email"),
        ("What is your school e-mail address?", "email", "ada@x.example", "owner.email"),
        ("Email", "text", "ada@x.example", "owner.email"),
        ("Su correo electrónico", "email", "ada@x.example", "owner.email"),
        ("Their email", "email", "e@x.example", "contact.email"),
        ("What is the person's email?", "email", "e@x.example", "contact.email"),
        ("Your name", "text", "Ada", "owner.name"),
        ("Name", "text", "Ada", "owner.name"),
        ("Who did you meet?", "text", "Erin", "contact.name"),
        ("Whom have you just met?", "text", "Erin", "contact.name"),
        ("Their name", "text", "Erin", "contact.name"),
        ("Name of the person", "text", "Erin", "contact.name"),
        ("Their phone number", "phone", "+15085550123", "contact.phone"),
        ("Your mobile", "phone", "+15085550123", "owner.phone"),
        ("Where?", "text", "MassCUE", "event.name"),
        ("Where did you meet?", "text", "MassCUE", "event.name"),
        ("Which event?", "choice", "MassCUE", "event.name"),
        ("Which conference is it?", "choice", "MassCUE", "event.name"),
        ("City", "text", "Foxborough", "event.place"),
        ("Hashtag of the event", "text", "#masscue", "event.hashtag"),
        ("When?", "date", "2026-10-21", "met_at"),
        ("When did you meet?", "date", "2026-10-21", "met_at"),
        ("Date of the meeting", "date", "2026-10-21", "met_at"),
        ("Notes", "text", "robots", "notes"),
        ("What did you talk about?", "text", "robots", "notes"),
        ("What did you promise?", "text", "the rubric", "promise"),
        ("What will you send them?", "text", "the rubric", "promise"),
        ("Link to the document", "url", "https://x.example/", "document"),
        ("By when?", "date", "2027-01-01", "goal_at"),
        ("Time zone", "choice", "Europe/Madrid", "owner.time_zone"),
    ],
)
def test_a_title_tells_the_field(title: str, kind: Kind, value: str, field: str) -> None:
    result = mapped(ask(title, value, kind))
    assert flat(result.document) == {field: value}
    assert how(result, field) == ("guessed", title)


def flat(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        found |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return found


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("When did you move to the place where you live?", "date"),
        ("What is it like where you live?", "text"),
        ("Do they agree to be written to?", "yes-no"),
        ("May we contact them? (consent)", "yes-no"),
        ("Which pictures do you like?", "choice"),
        ("Your email", "number"),
    ],
)
def test_other_questions_are_nobodys(title: str, kind: Kind) -> None:
    assert mapped(ask(title, "x", kind)).document == {}


def test_the_only_address_is_the_owners_unless_it_says_otherwise() -> None:
    assert mapped(ask("Where can we reach you?", "a@x.example", "email")).document == {
        "owner": {"email": "a@x.example"}
    }
    assert mapped(ask("How to reach her: her address", "a@x.example", "email")).document == {}
    two = (ask("One", "a@x.example", "email"), ask("Two", "b@x.example", "email"))
    assert mapped(*two).document == {}


def test_where_the_owner_is_known_the_form_asks_for_the_contact() -> None:
    asked = (ask("Name", "Erin"), ask("Email", "e@x.example", "email"), ask("Your name", "Ada"))
    assert mapped(*asked, owner_is_known=True).document == {
        "contact": {"name": "Erin", "email": "e@x.example"},
        "owner": {"name": "Ada"},
    }


def test_a_question_made_for_addresses_is_the_better_guess() -> None:
    asked = (ask("Your email, again", "typo"), ask("Your email", "ada@x.example", "email"))
    assert mapped(*asked).document == {"owner": {"email": "ada@x.example"}}


def test_a_key_that_is_called_like_a_field_is_that_field() -> None:
    asked = (ask("Agreed?", True, "yes-no", "q7", "contact.consent"), ask("plan", "demo", "hidden", "plan"))
    assert mapped(*asked).document == {"contact": {"consent": True}, "plan": "demo"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("topics", "robotics, gardens;\nmaths", ["robotics", "gardens", "maths"]),
        ("topics", ("robotics, and more", "maths"), ["robotics, and more", "maths"]),
        (
            "contact.links",
            "bsky.app/profile/erin https://x.example",
            ["https://bsky.app/profile/erin", "https://x.example"],
        ),
        ("document", "docs.example/rubric", "https://docs.example/rubric"),
        ("document", "javascript:alert(1)", "javascript:alert(1)"),
        ("contact.consent", True, True),
        ("contact.consent", "Sí", True),
        ("contact.consent", "No", False),
        ("contact.consent", "perhaps", "perhaps"),
        ("event.kind", "EdCamp", "edcamp"),
        ("event.kind", "Twitter chat", "chat"),
        ("owner.days", "Monday, Wednesday", ["mon", "wed"]),
        ("owner.daily_limit", 3, 3),
        ("owner.daily_limit", "three", "three"),
        ("owner.breaks", "2026-12-21..2027-01-02, 2027-02-15", ["2026-12-21..2027-01-02", "2027-02-15"]),
        ("notes", True, "Yes"),
        ("notes", 4.0, "4"),
        ("notes", ("a", "b"), "a, b"),
    ],
)
def test_an_answer_takes_the_shape_of_its_field(field: str, value: Value, expected: object) -> None:
    submission = Submission(key="1", answers=(ask("Q", value, "text", "q"),))
    result = mapping.apply(submission, mapping={field: "q"}, fixed={})
    assert flat(result.document) == {field: expected}


def test_the_vendors_example_gives_the_address_and_nothing_else() -> None:
    read = typeform.read({}, EXAMPLE)
    assert isinstance(read, Submission)
    result = mapping.apply(read, mapping={"contact.name": "readable_ref_short_text"}, fixed={})
    assert result.document == {"contact": {"name": "Laura"}, "owner": {"email": "laura@example.com"}}
    assert len(result.unused) == 12


def test_the_report_has_a_line_for_every_field() -> None:
    result = mapped(ask("Who did you meet?", "Erin"), fixed={"plan": "demo"}, notes="Nowhere")
    assert sorted(line.field for line in result.report) == sorted(FIELDS)
    assert [how(result, field)[0] for field in ("contact.name", "plan", "notes", "promise")] == [
        "guessed", "set", "not asked", "left to its default",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("maps", "fixed", "problem"),
    [
        ({"contact.nmae": "x"}, {}, "'contact.nmae' is no field; the fields are owner.email, "),
        ({}, {"id": "x"}, "'id' is no field"),
        ({"plan": "x"}, {"plan": "y"}, "plan is both mapped and set"),
        ({"plan": " "}, {}, "plan is mapped to nothing"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(maps: dict[str, str], fixed: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        mapping.check(maps, fixed)


def test_errors_say_which_question_was_looked_for() -> None:
    result = mapped(ask("Who did you meet?", "x"), ask("Colleague", None), contact__phone="Colleague", notes="Nope")
    errors = [
        FieldError(field=field, problem="is wrong")
        for field in ("contact.name", "contact.phone", "notes", "owner.email", "contact.links.0", "x")
    ]
    assert [error["problem"] for error in mapping.explained(errors, result)] == [
        "is wrong (the answer to “Who did you meet?”)",
        "is wrong (the question “Colleague” was left out)",
        "is wrong (looked for the question “Nope”, which the form does not have)",
        "is wrong (no question was mapped to it, and none is called “Your email” or alike)",
        "is wrong (no question was mapped to it)",
        "is wrong",
    ]


def document(body: dict[str, Any], maps: dict[str, str], fixed: dict[str, str]) -> dict[str, Any]:
    submission = Submission(key="1", document=json.loads(json.dumps(body)))
    return mapping.apply(submission, mapping=maps, fixed=fixed).document


def test_a_document_in_our_own_words_is_left_as_it_is() -> None:
    body = {"owner": {"email": "a@x.example"}, "contact": {}, "unknown": {"Your email": "b@x.example"}, "topics": [1]}
    assert document(body, {}, {}) == body


def test_a_document_in_other_words_is_moved_to_ours() -> None:
    body = {"who": "Erin", "me": {"mail": "a@x.example"}, "tags": ["a", "b"], "plan": "default"}
    maps = {"contact.name": "who", "owner.email": "me.mail", "topics": "tags"}
    assert document(body, maps, {"plan": "demo"}) == {
        "contact": {"name": "Erin"},
        "owner": {"email": "a@x.example"},
        "topics": ["a", "b"],
        "plan": "demo",
    }
