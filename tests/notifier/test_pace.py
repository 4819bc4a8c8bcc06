"""How fast mails go to one domain."""

from uuid import UUID, uuid4

from services.notifier.channels.pace import Pace

HERE, THERE = "school.example", "gmail.example"


def waits(pace: Pace, mails: int, *, domain: str = HERE, now: float = 1000.0) -> list[float]:
    return [pace.wait(domain, uuid4(), now) for _ in range(mails)]


def drained(pace: Pace, mails: int, *, now: float = 1000.0) -> list[float]:
    """Return when each of so many mails to one domain goes, each asking again when it was told to."""
    asking: list[tuple[float, UUID]] = [(now, uuid4()) for _ in range(mails)]
    went = []
    while asking:
        asking.sort()
        now, mail = asking.pop(0)
        if seconds := pace.wait(HERE, mail, now):
            asking.append((now + seconds, mail))
        else:
            went.append(now)
    return went


def test_a_minutes_worth_goes_at_once_and_the_rest_at_the_pace() -> None:
    went = drained(Pace(60), 180)
    assert sum(at == 1000 for at in went) in {60, 61, 62}  # a turn may be a second early
    assert 1115 <= went[-1] <= 1121
    assert all(sum(start <= at < start + 60 for at in went) <= 122 for start in range(1000, 1120))


def test_no_domain_waits_for_another() -> None:
    pace = Pace(60)
    assert max(waits(pace, 500)) > 400
    assert waits(pace, 50, domain=THERE) == [0.0] * 50


def test_a_mail_that_asks_again_keeps_its_turn() -> None:
    pace = Pace(60)
    waits(pace, 70)
    mail = uuid4()
    first = pace.wait(HERE, mail, 1000)
    assert 9 <= first <= 12
    waits(pace, 100)
    assert pace.wait(HERE, mail, 1002) == first - 2
    assert pace.wait(HERE, mail, 1000 + first) == 0.0


def test_without_bounds_nothing_waits_until_a_domain_asks_for_it() -> None:
    pace = Pace(0)
    assert waits(pace, 5000) == [0.0] * 5000
    pace.slower(HERE, 1000.0)
    assert max(waits(pace, 20)) > 3
    assert waits(pace, 5000, domain=THERE) == [0.0] * 5000


def test_a_domain_that_asks_for_less_gets_half_and_by_and_by_as_much_as_before() -> None:
    pace = Pace(600)

    def seconds_for_100(now: float) -> float:
        waits(pace, 1000, now=now)
        last = waits(pace, 101, now=now)
        return last[-1] - last[0]

    assert 9.9 < seconds_for_100(1000.0) < 10.1
    for now in (1000.0, 1000.5, 1030.0):  # those under way together are told together, and count once
        pace.slower(HERE, now)
    assert 19.9 < seconds_for_100(1030.0) < 20.1
    pace.slower(HERE, 1100.0)
    assert 39.9 < seconds_for_100(1100.0) < 40.1
    for _ in range(20):
        pace.taken(HERE)
    assert 9.9 < seconds_for_100(1200.0) < 10.1


def test_who_has_a_turn_when_it_gets_slower_gets_a_later_one() -> None:
    pace = Pace(60)
    waits(pace, 90)
    mail = uuid4()
    turn = pace.wait(HERE, mail, 1000.0)
    pace.slower(HERE, 1001.0)
    waits(pace, 40, now=1002.0)
    assert pace.wait(HERE, mail, 1000.0 + turn) > 10


def test_it_never_comes_to_a_halt() -> None:
    pace = Pace(600)
    for minute in range(30):
        pace.slower(HERE, 1000.0 + 61 * minute)
    now = 1000.0 + 61 * 29
    assert 55 <= pace.wait(HERE, uuid4(), now) <= 61
    assert pace.wait(HERE, uuid4(), now + 120) == 0.0


def test_what_is_over_is_forgotten() -> None:
    pace = Pace(60)
    waits(pace, 100)
    waits(pace, 1, domain=THERE, now=1000.0 + 3 * 3600)
    assert list(pace._domains) == [THERE]
