"""Whose turn it is: limits per receiver and account, fairness, and what is handed back."""

from collections import Counter

from zstack_mgmt.webhooks.backlog import FIRST_CLAIM, LARGEST_CLAIM, Backlog
from zstack_mgmt.webhooks.model import Delivery
from zstack_mgmt.webhooks.schedule import Breaker

numbers = iter(range(1_000_000))


def delivery(receiver: str, account: str = "a", *, probe: bool = False) -> Delivery:
    return Delivery(
        f"msg_{next(numbers)}",
        1,
        "1" * 32,
        account,
        f"{receiver}/",
        receiver,
        True,
        b"",
        0,
        0.0,
        probe,
    )


def backlog(concurrency: int = 100, per_receiver: int = 4) -> Backlog:
    return Backlog(concurrency, per_receiver)


def fill(
    made: Backlog, *deliveries: Delivery, breakers: dict[tuple[str, str], Breaker] | None = None
) -> None:
    wants = Counter(d.receiver for d in deliveries)
    made.add(sorted(wants.items()), deliveries, breakers or {}, 0.0)


def take_all(made: Backlog) -> list[Delivery]:
    taken = []
    while (one := made.next()) is not None:
        taken.append(one)
    return taken


def test_no_more_than_four_to_one_receiver():
    made = backlog()
    fill(made, *(delivery("r") for _ in range(10)))
    first = take_all(made)
    assert len(first) == 4
    made.finish(first[0])
    assert len(take_all(made)) == 1


def test_receivers_take_turns():
    made = backlog()
    fill(made, *(delivery(f"r{n}") for n in range(4) for _ in range(10)))
    first = [made.next() for _ in range(8)]
    assert Counter(d.receiver for d in first if d) == {f"r{n}": 2 for n in range(4)}


def test_when_slots_are_scarce_the_account_with_the_fewest_is_next():
    made = backlog(concurrency=16)
    fill(made, *(delivery(f"greedy{n}", "greedy") for n in range(50)))
    take_all(made)
    fill(made, delivery("modest", "modest"))
    assert [d.account_uuid for d in take_all(made)] == ["modest"]


def test_accounts_share_the_room_for_further_claims_and_one_alone_leaves_some():
    made = backlog(concurrency=8)  # room for 64
    alone = made.wants([(f"greedy{n}", n) for n in range(1, 100)])
    assert sum(want for _, want in alone) == 56
    for name, want in alone:
        fill(made, *(delivery(name, "greedy") for _ in range(want)))
    assert made.wants([("greedy50", 1), ("greedy51", 2)]) == []
    both = dict(made.wants([("greedy50", 1), ("modest", 1), ("greedy51", 2), ("greedy52", 3)]))
    assert both == {"greedy50": 4, "modest": 4}


def test_no_account_takes_the_last_eighth_of_the_slots():
    made = backlog(concurrency=16)
    fill(made, *(delivery(f"r{n}") for n in range(50)))
    first = take_all(made)
    assert len(first) == 14
    made.finish(first[0])
    assert len(take_all(made)) == 1


def test_no_more_at_a_time_than_failures_are_left():
    made = backlog()
    fill(made, *(delivery("r") for _ in range(9)), breakers={("r", "a"): Breaker(failures=3)})
    assert len(take_all(made)) == 2


def test_an_open_breaker_hands_its_lane_back_but_for_the_probe():
    made = backlog()
    mine, other, probe = delivery("r", "a"), delivery("r", "b"), delivery("r", "a", probe=True)
    fill(made, mine, other, probe, breakers={("r", "a"): Breaker(failures=5, open_for_s=1.0)})
    assert take_all(made) == [other, probe]
    assert made.returned == [mine]


def test_a_fast_receiver_is_claimed_from_in_growing_portions():
    made = backlog(concurrency=256)
    asked = []
    for n in range(8):
        (wants,) = (made.wants([("r", 1)]),)
        asked.append(wants[0][1])
        made.add(wants, [delivery("r") for _ in range(wants[0][1])], {}, n / 10)
        while (one := made.next()) is not None:
            made.finish(one)
    assert asked[0] == FIRST_CLAIM
    assert asked == sorted(asked)
    assert asked[-1] == LARGEST_CLAIM


def test_a_full_backlog_claims_nothing():
    made = backlog(concurrency=8)
    fill(made, *(delivery("r") for _ in range(64)))
    assert made.is_full
    assert made.wants([("other", 1)]) == []


def test_running_low_is_said_once():
    made = backlog()
    fill(made, *(delivery("r") for _ in range(4)))
    receiver = made.finish(take_all(made)[0])
    assert made.runs_low(receiver)
    assert not made.runs_low(receiver)


def test_draining_hands_everything_back():
    made = backlog()
    fill(made, *(delivery("r") for _ in range(6)))
    take_all(made)
    made.drain()
    assert len(made.returned) == 2
    assert take_all(made) == []


def test_a_failing_lane_does_not_stand_in_the_way_of_a_healthy_one():
    made = backlog()
    bad, good = [delivery("r", "bad") for _ in range(3)], [delivery("r", "good") for _ in range(2)]
    fill(made, *bad, *good, breakers={("r", "bad"): Breaker(failures=4)})
    assert take_all(made) == [bad[0], *good]
