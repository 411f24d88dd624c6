"""When the supervisor starts a child again and when it gives up."""

from __future__ import annotations

import pytest

from gateway.embedded.restart import DELIBERATE_EXIT, ExitHistory, GiveUp, Restart, RestartPolicy, after_exit

POLICY = RestartPolicy(first_delay=1, longest_delay=3, window=100, failures=4, deliberate=3)

CASES = [
    ("the delays double up to the longest", [(1, 0), (1, 1), (-9, 2)], [1, 2, 3]),
    ("a clean exit is an exit too", [(0, 0)], [1]),
    ("the fourth failure within the window ends it", [(1, 0), (1, 1), (1, 2), (1, 3)], [1, 2, 3, None]),
    ("failures outside the window are forgotten", [(1, 0), (1, 1), (1, 2), (1, 102.5)], [1, 2, 3, 1]),
    ("a deliberate exit restarts at once", [(75, 0), (75, 1)], [0, 0]),
    ("deliberate exits do not lengthen the delay", [(1, 0), (75, 1), (1, 2)], [1, 0, 2]),
    ("too many deliberate exits end it as well", [(75, 0), (75, 1), (75, 2)], [0, 0, None]),
]


@pytest.mark.parametrize(("exits", "delays"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_after_exit(exits: list[tuple[int, float]], delays: list[float | None]) -> None:
    history = ExitHistory()
    found: list[float | None] = []
    for code, now in exits:
        history, verdict = after_exit(POLICY, history, code, now)
        found.append(verdict.delay if isinstance(verdict, Restart) else None)
    assert found == delays


def test_the_reason_names_the_signal() -> None:
    history, verdict = ExitHistory(), None
    for now in range(4):
        history, verdict = after_exit(POLICY, history, -9, now)
    assert verdict == GiveUp("it ended 4 times within 100 s, last with killed by signal 9")
    assert DELIBERATE_EXIT == 75
