"""The gate: why a nudge must not go out now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from services.notifier.gate import Act, Go, Skip, Standing, Verdict, Wait, gate
from shared.events import NudgeData, Window
from tests.factories import at, due_follow_up, nudge_due, recipient

NOW = at("2026-11-11 15:30", "America/New_York")
HOUR = timedelta(hours=1)
ERIN = UUID(int=7)


@dataclass(frozen=True)
class Stop:
    kind: str
    id: UUID
    channel: str
    at: datetime


def nudge(**given: object) -> NudgeData:
    first = due_follow_up(due_at=NOW, logged_at=NOW - 24 * HOUR)
    second = due_follow_up(due_at=NOW, logged_at=NOW - 24 * HOUR)
    return nudge_due(**{"due_at": NOW, "follow_ups": (first, second)} | given).data


def ask(
    one: NudgeData,
    *,
    now: datetime = NOW,
    daily_cap: int = 10,
    channel_cap: int | None = None,
    stops: tuple[Stop, ...] = (),
    acts: dict[UUID, Act] | None = None,
    suppressed: bool = False,
    erased: bool = False,
    sent: tuple[datetime, ...] = (),
    under_way: int = 0,
    sent_here: tuple[datetime, ...] = (),
    under_way_here: int = 0,
) -> Verdict:
    standing = Standing(
        stops=stops,
        acts=acts or {},
        suppressed=suppressed,
        erased=erased,
        sent=sent,
        under_way=under_way,
        sent_here=sent_here,
        under_way_here=under_way_here,
    )
    return gate(one, standing, now=now, daily_cap=daily_cap, channel_cap=channel_cap)


def test_what_nothing_speaks_against_goes_out_whole() -> None:
    one = nudge()
    assert ask(one) == Go(one.follow_ups)


def test_what_is_done_is_dropped_and_the_rest_goes_out() -> None:
    one = nudge()
    first, second = one.follow_ups
    assert ask(one, acts={first.id: Act(act="done", at=NOW - 48 * HOUR)}) == Go((second,))


def test_a_nudge_of_which_all_is_done_is_skipped() -> None:
    one = nudge()
    assert ask(one, acts={each.id: Act(act="done", at=NOW) for each in one.follow_ups}) == Skip("done")


def test_a_snoozed_follow_up_is_dropped_until_it_comes_again() -> None:
    one = nudge()
    snoozed = {each.id: Act(act="later", at=NOW + HOUR) for each in one.follow_ups}
    assert ask(one, acts=snoozed) == Skip("later")
    again = {each.id: Act(act="later", at=NOW - HOUR) for each in one.follow_ups}
    assert ask(one, acts=again) == Go(one.follow_ups)


def test_a_stopped_connection_is_dropped() -> None:
    one = nudge()
    first, second = one.follow_ups
    assert ask(one, stops=(Stop("connection", first.connection, "", NOW),)) == Go((second,))


def test_a_meeting_stopped_alone_is_dropped_and_its_connection_goes_on() -> None:
    first, second = (due_follow_up(connection=ERIN, due_at=NOW) for _ in range(2))
    one = nudge(follow_ups=(first, second))

    assert ask(one, stops=(Stop("meeting", first.meeting, "", NOW),)) == Go((second,))


def test_a_meeting_logged_after_the_stop_of_its_connection_goes_out() -> None:
    one = nudge()
    first, _ = one.follow_ups
    assert ask(one, stops=(Stop("connection", first.connection, "", NOW - 25 * HOUR),)) == Go(one.follow_ups)
    assert ask(one, stops=(Stop("connection", first.connection, "", first.logged_at),)) == Go(one.follow_ups[1:])


def test_a_person_who_stopped_everything_or_this_channel_gets_nothing() -> None:
    one = nudge()
    person = one.recipient.id
    assert ask(one, stops=(Stop("person", person, "", NOW - 100 * HOUR),)) == Skip("stopped")
    assert ask(one, stops=(Stop("person", person, "email", NOW),)) == Skip("stopped")
    assert ask(one, stops=(Stop("person", person, "sms", NOW),)) == Go(one.follow_ups)


def test_a_stop_of_somebody_else_is_theirs() -> None:
    one = nudge()
    others = (Stop("person", uuid4(), "", NOW), Stop("connection", uuid4(), "", NOW))
    assert ask(one, stops=others) == Go(one.follow_ups)


def test_stopped_says_more_than_done_and_suppressed() -> None:
    one = nudge()
    first, second = one.follow_ups
    verdict = ask(
        one,
        stops=(Stop("connection", first.connection, "", NOW),),
        acts={second.id: Act(act="done", at=NOW)},
        suppressed=True,
    )
    assert verdict == Skip("stopped")


def test_a_suppressed_address_and_an_erased_person_get_nothing() -> None:
    assert ask(nudge(), suppressed=True) == Skip("suppressed")
    assert ask(nudge(), erased=True) == Skip("erased")


def test_too_late_is_later_than_the_moment_named() -> None:
    one = nudge(too_late_after=NOW)
    assert ask(one, now=NOW) == Go(one.follow_ups)
    assert ask(one, now=NOW + timedelta(microseconds=1)) == Skip("expired")


def test_a_quiet_window_is_waited_out_its_end_not_included() -> None:
    window = Window(opens_at=NOW, closes_at=NOW + 8 * HOUR)
    one = nudge(quiet=(window,))
    assert ask(one, now=NOW - HOUR) == Go(one.follow_ups)
    assert ask(one, now=NOW) == Wait(window.closes_at)
    assert ask(one, now=window.closes_at - timedelta(seconds=1)) == Wait(window.closes_at)
    assert ask(one, now=window.closes_at) == Go(one.follow_ups)


def test_a_window_that_closes_too_late_ends_the_nudge_as_expired() -> None:
    weekend = Window(opens_at=NOW, closes_at=NOW + 58 * HOUR)
    one = nudge(quiet=(weekend,), too_late_after=NOW + 24 * HOUR)
    assert ask(one, now=NOW - timedelta(seconds=1)) == Go(one.follow_ups)
    assert ask(one, now=NOW + HOUR) == Skip("expired")
    in_time = nudge(quiet=(weekend,), too_late_after=weekend.closes_at)
    assert ask(in_time, now=NOW + HOUR) == Wait(weekend.closes_at)
    assert ask(in_time, now=weekend.closes_at) == Go(in_time.follow_ups)


def test_the_daily_cap_holds_what_is_more_until_a_day_after_what_filled_it() -> None:
    one = nudge(too_late_after=NOW + 48 * HOUR)
    sent = (NOW - HOUR, NOW - 2 * HOUR, NOW - 3 * HOUR)
    assert ask(one, daily_cap=4, sent=sent) == Go(one.follow_ups)
    assert ask(one, daily_cap=3, sent=sent) == Wait(NOW + 21 * HOUR)
    assert ask(nudge(too_late_after=NOW + HOUR), daily_cap=3, sent=sent) == Skip("daily-cap")


def test_a_channel_may_have_a_cap_of_its_own() -> None:
    one = nudge()
    sent, texts = (NOW - HOUR, NOW - 2 * HOUR, NOW - 3 * HOUR), (NOW - HOUR, NOW - 3 * HOUR)
    assert ask(one, channel_cap=3, sent=sent, sent_here=texts) == Go(one.follow_ups)
    assert ask(one, channel_cap=2, sent=sent, sent_here=texts) == Wait(NOW + 21 * HOUR)
    assert ask(one, channel_cap=3, sent=sent, sent_here=texts, under_way_here=1) == Wait(NOW + timedelta(minutes=1))
    assert ask(one, daily_cap=3, channel_cap=9, sent=sent, sent_here=texts) == Wait(NOW + 21 * HOUR)


def test_the_daily_cap_counts_what_is_under_way() -> None:
    one = nudge()
    assert ask(one, daily_cap=2, sent=(NOW,), under_way=1) == Wait(NOW + timedelta(minutes=1))
    assert ask(nudge(recipient=recipient(id=one.recipient.id)), daily_cap=3, sent=(NOW,), under_way=1) != Wait(NOW)
