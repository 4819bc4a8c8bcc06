"""What Cal.com and Calendly send about one booking, as it is made, moved, cancelled and missed."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parent / "payloads"
FIRST_END = datetime.fromisoformat("2026-10-21T18:30:00Z")
SECOND_END = datetime.fromisoformat("2026-10-28T18:30:00Z")
THIRD_END = datetime.fromisoformat("2026-11-04T18:30:00Z")

Payload = dict[str, Any]


def cal(
    event: str,
    uid: str = "first",
    *,
    at: str = "2026-10-01T12:00:00.000Z",
    who: tuple[str, ...] = ("erin",),
    end: datetime = FIRST_END,
    **given: Any,
) -> Payload:
    """Return a wrapped event about these attendees, `erin@district.example` and so on."""
    payload = json.loads((PAYLOADS / "calcom" / "BOOKING_CREATED-questions.json").read_text())["payload"]
    [one] = payload["attendees"]
    attendees = [one | {"name": name.title(), "email": f"{name}@district.example"} for name in who]
    payload |= {"uid": uid, "endTime": end.isoformat(), "attendees": attendees} | given
    return {"triggerEvent": event, "createdAt": at, "payload": payload}


def absent(uid: str = "first", *, at: str = "2026-10-21T19:00:00.000Z", **who: bool) -> Payload:
    """Return the event that says of each of these whether they are absent."""
    attendees = [{"email": f"{name}@district.example", "noShow": is_absent} for name, is_absent in who.items()]
    payload = {"message": "updated", "bookingUid": uid, "attendees": attendees}
    return {"triggerEvent": "BOOKING_NO_SHOW_UPDATED", "createdAt": at, "payload": payload}


def ended(uid: str = "first", *, who: tuple[str, ...] = ("erin",), end: datetime = FIRST_END, **given: Any) -> Payload:
    """Return the flat event of the scheduled end."""
    body: Payload = json.loads((PAYLOADS / "calcom" / "MEETING_ENDED.json").read_text())
    one = body["attendees"][0]
    body |= {
        "uid": uid,
        "endTime": end.isoformat(),
        "user": {"email": "ada@school.example", "name": "Ada Example", "timeZone": "America/New_York"},
        "attendees": [one | {"name": name.title(), "email": f"{name}@district.example"} for name in who],
    }
    return body | given


def invitee(event: str, name: str, *, at: str, end: datetime = FIRST_END, **given: Any) -> Payload:
    """Return Calendly's event about the invitee of this name, which they have for one time only."""
    body: Payload = json.loads((PAYLOADS / "calendly" / "invitee.created-questions.json").read_text())
    body |= {"event": event, "created_at": at}
    body["payload"] |= {"uri": uri(name)} | given
    body["payload"]["scheduled_event"]["end_time"] = end.isoformat()
    return body


def uri(name: str) -> str:
    return f"https://api.calendly.com/scheduled_events/{name.upper()}/invitees/{name.upper()}"
