"""What one sender holds in memory: deliveries by receiver, and whose turn it is. No database, no network.

A receiver belongs to one sender at a time, so the limit of requests in flight to it is kept here.
More is claimed than is in flight, so that a fast receiver never waits for the database. How much
more depends on its pace.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zstack_mgmt.webhooks.model import Delivery
from zstack_mgmt.webhooks.schedule import OPEN_AFTER, Breaker

FIRST_CLAIM = 16  # deliveries taken from a receiver whose pace is unknown
LARGEST_CLAIM = 512
_FAST_S = 1.0  # what was claimed is used up sooner than this: claim twice as much the next time
_HELD_PER_SLOT = 8
_RESERVED = 8  # one part in eight of the slots stays out of any single account's reach


@dataclass(slots=True, eq=False)
class Receiver:
    """A receiver that this sender owns: its claimed deliveries and the breakers of its lanes, by account."""

    name: str
    queue: deque[Delivery] = field(default_factory=deque[Delivery])
    breakers: dict[str, Breaker] = field(default_factory=dict[str, Breaker])
    lanes: Counter[str] = field(default_factory=Counter[str])  # in flight by account
    in_flight: int = 0
    unrecorded: int = 0
    target: int = FIRST_CLAIM
    claimed_at: float = 0.0
    more: bool = False  # the last claim brought as much as it asked for

    def is_idle_after(self, recorded: int) -> bool:
        """Whether nothing is left to do here once so many more are recorded."""
        return not self.queue and not self.in_flight and self.unrecorded == recorded


class Backlog:
    """The claimed deliveries of one sender, in the order in which they may be sent."""

    def __init__(self, concurrency: int, per_receiver: int) -> None:
        self._concurrency = concurrency
        self._per_receiver = per_receiver
        self._most_held = _HELD_PER_SLOT * concurrency
        self._account_limit = concurrency - concurrency // _RESERVED
        self._accounts: Counter[str] = Counter()  # in flight
        self._ready: dict[Receiver, None] = {}  # in turn; some may turn out not to be
        self._at_limit: dict[Receiver, None] = {}  # kept back by their account's limit
        self.receivers: dict[str, Receiver] = {}
        self._sending: set[tuple[str, int]] = set()  # in flight
        self.held = 0  # in the queues
        self.returned: list[Delivery] = []  # not to be sent by this claim; the owner hands them back

    @property
    def in_flight(self) -> int:
        return len(self._sending)

    @property
    def keys(self) -> set[tuple[str, int]]:
        """Of all deliveries that are queued, in flight or to be handed back."""
        queued = (delivery for receiver in self.receivers.values() for delivery in receiver.queue)
        return self._sending | {delivery.key for delivery in (*queued, *self.returned)}

    @property
    def is_full(self) -> bool:
        return self.held >= self._most_held

    def well_stocked(self) -> list[str]:
        """The receivers that need no further claim yet."""
        return [name for name, r in self.receivers.items() if 2 * len(r.queue) > r.target]

    def wants(self, due: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """How many deliveries to claim from each of these receivers, in the order of their names.

        Args:
            due: receivers in the order of claiming, each with its place among those of its account. The first
                ones of the accounts share the room; an account that is alone leaves some for others to come.
        """
        room = self._most_held - self.held
        accounts = sum(place == 1 for _, place in due)
        if accounts < 2:
            room -= self._most_held // _RESERVED
        share = max(1, room // max(1, accounts))
        wants: list[tuple[str, int]] = []
        for name, place in due:
            receiver = self.receivers.get(name)
            target, queued = (receiver.target, len(receiver.queue)) if receiver else (FIRST_CLAIM, 0)
            want = min(target - queued, room, share if place == 1 else room)
            if want > 0:
                wants.append((name, want))
                room -= want
        return sorted(wants)

    def add(
        self,
        wants: Iterable[tuple[str, int]],
        deliveries: Iterable[Delivery],
        breakers: Mapping[tuple[str, str], Breaker],
        now: float,
    ) -> None:
        """Take in what a claim brought, in its order. Breakers known here are newer than the claim's."""
        brought: Counter[str] = Counter()
        for delivery in deliveries:
            brought[delivery.receiver] += 1
            receiver = self.receivers.get(delivery.receiver)
            if receiver is None:
                receiver = self.receivers[delivery.receiver] = Receiver(delivery.receiver)
            receiver.queue.append(delivery)
            self.held += 1
            self._ready[receiver] = None
        for name, want in wants:
            receiver = self.receivers.get(name)
            if receiver is not None:
                receiver.more = brought[name] == want
                if receiver.more and now - receiver.claimed_at < _FAST_S:
                    receiver.target = min(2 * receiver.target, LARGEST_CLAIM)
                receiver.claimed_at = now
        for (name, account_uuid), breaker in breakers.items():
            known = self.receivers[name].breakers.setdefault(account_uuid, breaker)
            if known.is_open and breaker.is_open:
                known.open_for_s = breaker.open_for_s

    def next(self) -> Delivery | None:
        """The delivery to send now, counted as in flight, or None when all slots or receivers are taken."""
        while self.in_flight < self._concurrency:
            receiver = self._choose()
            if receiver is None:
                return None
            delivery = self._take(receiver)
            if delivery is not None:
                receiver.in_flight += 1
                receiver.lanes[delivery.account_uuid] += 1
                self._sending.add(delivery.key)
                self._accounts[delivery.account_uuid] += 1
                return delivery
        return None

    def _choose(self) -> Receiver | None:
        if not self._ready:
            return None
        if len(self._ready) > 1 and 2 * self.in_flight > self._concurrency:
            # Slots are getting scarce: the account with the fewest in flight is next.
            return min(self._ready, key=lambda r: self._accounts[r.queue[0].account_uuid] if r.queue else -1)
        return next(iter(self._ready))

    def _take(self, receiver: Receiver) -> Delivery | None:
        """The receiver's next delivery that may go, past those whose lane or account has enough in flight."""
        del self._ready[receiver]
        if receiver.in_flight >= self._per_receiver:
            return None
        queue = receiver.queue
        passed: list[Delivery] = []
        taken = None
        while queue and taken is None:
            delivery = queue.popleft()
            account = delivery.account_uuid
            breaker = receiver.breakers.get(account)
            held_back = breaker is not None and breaker.is_open and not delivery.probe
            if held_back:
                self._count_out(receiver)
                self.returned.append(delivery)
            elif breaker is not None and receiver.lanes[account] >= self._lane_limit(breaker):
                passed.append(delivery)
            elif self._accounts[account] >= self._account_limit:
                self._at_limit[receiver] = None
                passed.append(delivery)
            else:
                self._count_out(receiver)
                taken = delivery
        queue.extendleft(reversed(passed))
        if queue and taken is not None:
            self._ready[receiver] = None  # at the end: the others come first
        return taken

    def _lane_limit(self, breaker: Breaker) -> int:
        """No more at a time than there are failures left before the breaker opens."""
        left = OPEN_AFTER - breaker.failures if breaker.failures else self._per_receiver
        return max(1, min(self._per_receiver, left))

    def _count_out(self, receiver: Receiver) -> None:
        self.held -= 1
        receiver.unrecorded += 1

    def finish(self, delivery: Delivery) -> Receiver:
        """Count a delivery as no longer in flight. Returns its receiver, which may have another turn."""
        receiver = self.receivers[delivery.receiver]
        receiver.in_flight -= 1
        receiver.lanes[delivery.account_uuid] -= 1
        self._sending.discard(delivery.key)
        self._accounts[delivery.account_uuid] -= 1
        if not self._accounts[delivery.account_uuid]:
            del self._accounts[delivery.account_uuid]
        if receiver.queue:
            self._ready.setdefault(receiver)
        if self._at_limit:
            self._ready.update(self._at_limit)
            self._at_limit.clear()
        return receiver

    def runs_low(self, receiver: Receiver) -> bool:
        """Whether to claim more, from this receiver or because there is room again. Says so once."""
        if receiver.more and 2 * len(receiver.queue) <= receiver.target:
            receiver.more = False
            return True
        return self.held == self._most_held // 2

    def drain(self) -> None:
        """Hand back everything that has not been sent."""
        for receiver in self.receivers.values():
            while receiver.queue:
                self._count_out(receiver)
                self.returned.append(receiver.queue.popleft())
        self._ready.clear()
        self._at_limit.clear()

    def active_accounts(self) -> set[str]:
        return set(self._accounts)
