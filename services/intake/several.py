"""Several contacts in one submission: the fields `contacts[2].name`, and how they become people. Pure.

Those with one number are one person. `contacts[#].name=Contact # name` stands for all the numbers a form has.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.intake.body import CONTACTS

FIELD: Final = re.compile(
    r"contacts(?:\[(?P<in>\d{1,2}|#)\]|\.(?P<dot>\d{1,2}|#))\.(?P<name>name|email|phone|links|consent)", re.ASCII
)
ERROR: Final = re.compile(r"contacts\.(\d{1,2})(?=\.|$)")
NUMBERS: Final = range(CONTACTS + 1)


def canonical(field: str) -> str:
    """Return a field's one spelling: `contacts.2.name` and `contacts[02].name` are `contacts[2].name`."""
    found = FIELD.fullmatch(field)
    if not found:
        return field
    number = found["in"] or found["dot"]
    return f"contacts[{number if number == '#' else int(number)}].{found['name']}"


def single(field: str) -> str:
    """Return the field of one contact that this is about: `contact.name` of `contacts[2].name`."""
    found = FIELD.fullmatch(field)
    return f"contact.{found['name']}" if found else field


def number(field: str) -> int | None:
    """Return which contact a field is about, if it says so."""
    found = FIELD.fullmatch(field)
    return int(found["in"] or found["dot"]) if found and "#" not in field else None


def check(field: str, question: str) -> None:
    """Raise `ValueError` in words when a field for all numbers names a question without a number."""
    if "#" in field and "#" not in question:
        raise ValueError(f"{field} needs a # in its QUESTION too, where the number stands: {field}='Contact # name'")
    if (one := number(field)) is not None and one not in NUMBERS:
        raise ValueError(f"{field}: at most {CONTACTS} contacts are taken")


def folded(values: Mapping[str, Any], shared: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Return the values with `contacts` in the order of their numbers, and those numbers.

    What is said once of nobody in particular (`shared`: what is set, and consent) holds for each of them.
    """
    people: dict[int, dict[str, Any]] = {}
    rest: dict[str, Any] = {}
    for field, value in values.items():
        if (one := number(field)) is None:
            rest[field] = value
        else:
            people.setdefault(one, {})[field.rpartition(".")[2]] = value
    if not people:
        return rest, ()
    common = {field.rpartition(".")[2]: value for field, value in shared.items() if field.startswith("contact.")}
    if "contact.name" not in rest:
        rest = {field: value for field, value in rest.items() if field not in shared}
    numbers = tuple(sorted(people))
    return rest | {"contacts": [common | people[one] for one in numbers]}, numbers


def renamed(field: str, numbers: tuple[int, ...]) -> str:
    """Return the name of a wrong field as a mapping spells it: lists count from 0, forms as they like."""
    found = ERROR.match(field)
    if not found or int(found[1]) >= len(numbers):
        return field
    return f"contacts[{numbers[int(found[1])]}]{field[found.end() :]}"
