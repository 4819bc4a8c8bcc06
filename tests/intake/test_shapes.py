"""What vendors give as objects and lists becomes a value."""

import pytest

from services.intake import shapes

DAY = {"year": "2026", "month": "10", "day": "21"}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ([], None),
        ({}, None),
        (["", None, []], None),
        ({"first": "", "last": ""}, None),
        (0, 0),
        (False, False),
        (4.5, 4.5),
        ("x", "x"),
        (["a", 1, True, None, ["b", "c"]], ("a", "1", "True", "b, c")),
        ({"first": "Erin", "last": "O'Neil"}, "Erin O'Neil"),
        ({"last": "O'Neil", "suffix": "PhD", "prefix": "Dr", "first": "Erin", "middle": ""}, "Dr Erin O'Neil PhD"),
        ({"firstName": "Erin", "lastName": "O'Neil"}, "Erin O'Neil"),
        (DAY, "2026-10-21"),
        (DAY | {"month": "1", "day": "5"}, "2026-01-05"),
        (DAY | {"hour": "2", "min": "5", "ampm": "PM"}, "2026-10-21T14:05"),
        (DAY | {"hour": "12", "min": "05", "ampm": "AM"}, "2026-10-21T00:05"),
        (DAY | {"hour": "12", "min": "05", "ampm": "PM"}, "2026-10-21T12:05"),
        (DAY | {"hour": "16", "min": "30"}, "2026-10-21T16:30"),
        (DAY | {"timeInput": "02:10", "hour": "9", "ampm": "PM"}, "2026-10-21T14:10"),
        (DAY | {"hour": "", "min": "", "ampm": "AM"}, "2026-10-21"),
        ({"year": "", "month": "", "day": "", "hour": "9", "min": "00"}, None),
        ({"hourSelect": "9", "minuteSelect": "5", "ampm": "AM"}, "09:05"),
        ({"timeInput": "14:10", "hourSelect": "14", "minuteSelect": "10"}, "14:10"),
        ({"full": "(508) 555-0123"}, "(508) 555-0123"),
        ({"area": "508", "phone": "555-0123"}, "508 555-0123"),
        ({"country": "1", "area": "508", "phone": "555-0123"}, "+1 508 555-0123"),
        (
            {"addr_line1": "1 Main St", "addr_line2": "", "city": "Foxborough", "state": "MA"},
            "1 Main St, Foxborough, MA",
        ),
        ({"address": "1 Main St", "zipCode": "02035", "country": "US", "city": "F"}, "1 Main St, F, 02035, US"),
        ({"start": "2026-10-21", "end": "2026-10-23"}, "2026-10-21"),
        ({"date": "2024-11-26 10:00", "duration": "60", "timezone": "Asia/Calcutta"}, "2024-11-26 10:00"),
        ({"date": "", "duration": "60", "timezone": "Asia/Calcutta"}, None),
        ({"id": "x", "label": "Erin"}, "Erin"),
        ({"colIds": "[0]", "rowIds": "[0]"}, None),
        ({"Talk": "Good", "Room": ["Cold", "Dark"], "Food": ""}, ("Talk: Good", "Room: Cold, Dark")),
    ],
)
def test_a_value_is_what_a_person_would_read(raw: object, value: object) -> None:
    found = shapes.value(raw)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ([{"url": "https://x.example/1", "filename": "1"}, {"name": "2"}], ("https://x.example/1",)),
        (["https://x.example/1", ""], ("https://x.example/1",)),
        ("https://x.example/1", ("https://x.example/1",)),
        ([{"link": "https://x.example/1"}], ("https://x.example/1",)),
        ([{"url": 1}], None),
        (None, None),
    ],
)
def test_files_are_their_addresses(raw: object, found: object) -> None:
    assert shapes.urls(raw) == found
