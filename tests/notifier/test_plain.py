"""Where a text is cut that is too long for its place."""

import pytest

from services.notifier.plain import one_line


@pytest.mark.parametrize("sign", ["👩🏽\u200d🏫", "👍🏿", "✌️", "q\u0303\u0323", "नि"])
@pytest.mark.parametrize("limit", range(20, 30))
def test_no_sign_is_cut_in_two(sign: str, limit: int) -> None:
    cut = one_line(sign * 40, limit)
    assert cut == sign * cut.count(sign) + "…"
    assert limit - len(sign) < len(cut) <= limit


def test_a_sign_without_end_is_cut_all_the_same() -> None:
    assert one_line("a" + "\u0301" * 200, 50) == "a" + "\u0301" * 48 + "…"
