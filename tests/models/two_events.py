"""An explicit-state model of two events of one leader: held orders, amendments, cancels, two followers.

It stands beside the model of one order (`one_order`), which has the times in fine steps and clocks that
differ. Here the steps are coarse, and what is explored is how the orders of one client go through its queue:
what a second event asks for while an order of the first is in doubt, held, or taken over.

Breadth-first over every interleaving of: two journal rows with their book and cursor, two workers on each,
and the followers' venue. Each decision is made by the function that the services call (`parts.Rules` names
them), and `service.Service` carries them out as `services/oms` does, so the model cannot drift from the code.
What the functions cannot hold by themselves are rules of the surroundings, which `Rules` carries too, so that
a test can take any of them away.

The laws are `TwoEvents.law` and that from every state all orders can come to an end (`Graph.stuck`).

Modelled:
- Times are from now, and all that is long past is alike: the states are finitely many without a
  horizon, and takeovers and resends are without end.
- A row is read, decided on and written in steps with pauses of any length between them. A decision and its
  write are one step: what happens between them is what happens before both, or the write fails. A pass is
  written when it is through with all clients; until then what it knows is lost if its worker dies.
- Deaths at every step; the place of a dead worker is free for the next.
- Requests that come at any time until they expire, or never; answers that are lost; what a venue has done
  that queries do not show for up to the visibility bound, from the last moment at which it could be done; a
  venue that takes the same id again; orders refused by the venue, dropped by us, filled while they rest.
- The second event's message, which is shown once the first one's may have been deleted.
- A worker that can neither send nor write any more is as good as gone, and leaves at once.

Not modelled: clocks that differ (by more than the least), writes whose outcome is unknown, more than two
events or orders of one client in a row, partial fills, a venue whose writes do not know of an order that it
has accepted, and one that replaces in two steps of which one may fail. In `scripts.TWO_FOLLOWERS` one of the
two is calm, and whims are off.
"""

from collections.abc import Iterator

from spider_common.domain.intents import Action, Intent
from spider_common.domain.orders import CopyState, OrderStatus
from spider_common.domain.positions import LegKind
from spider_common.domain.reasons import Reason
from tests.models import venue
from tests.models.exploring import Finding, Graph
from tests.models.parts import IDLE, PAST, THROUGH, TICK, UNPLANNED, Chain, Rules, Script, State, Worker
from tests.models.service import Service
from tests.models.venue import VISIBILITY, Order, Standing

WHOLE = Rules()


class TwoEvents:
    """The moves of the model for one script under some rules, and its laws."""

    def __init__(self, script: Script, rules: Rules = WHOLE) -> None:
        self._script, self._rules, self._service = script, rules, Service(script, rules)
        self._intents = [intent for row in script.rows for intent in row]
        names = [*(intent.client_order_id for intent in self._intents), *script.there]
        places = {name: place for place, name in enumerate(names)}
        self._acts_on = [
            place if intent.acts_on is None else places[intent.acts_on]
            for place, intent in enumerate(self._intents)
        ]
        self._places = places
        self._first = [sum(len(row) for row in script.rows[:number]) for number in range(len(script.rows))]
        self._judged: dict[tuple[object, ...], str] = {}

    def graph(self, *, keeps_moves: bool = False) -> Graph[State]:
        return Graph(self.starts(), self.moves, keeps_moves=keeps_moves)

    def starts(self) -> Iterator[State]:
        """The first event has just been planned."""
        there = Standing(1, OrderStatus.LIVE, 1)
        orders = [Order() for _ in self._intents] + [Order(there, there) for _ in self._script.there]
        crews = tuple((IDLE, IDLE) for _ in self._script.rows)
        rows = tuple(UNPLANNED for _ in self._script.rows)
        start = State(rows, 1, self._service.nothing_kept(), crews, (), tuple(orders))
        yield from (state for _, state in self._plans(start))

    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        """Every next state, with what happened."""
        yield "time passes", self._tick(state)
        yield from self._arrivals(state)
        if self._script.fills:
            yield from self._fills(state)
        yield from self._plans(state)
        for row, crew in enumerate(state.crews):
            if state.rows[row] == UNPLANNED:
                continue
            for slot, worker in enumerate(crew):
                if slot == 0 or worker != crew[0]:  # two alike do the same
                    for what, after in self._worker_moves(state, row, slot, worker):
                        yield f"event {row + 1}: a worker {what}", after

    def _tick(self, state: State) -> State:
        older = self._service.older
        wire = {(place, max(expiry - TICK, -1)) for place, expiry in state.wire}
        return self._tidy(
            state._replace(
                rows=tuple(row if row == UNPLANNED else older(row) for row in state.rows),
                crews=tuple(tuple(self._older(worker) for worker in crew) for crew in state.crews),
                wire=tuple(sorted(each for each in wire if self._rules.venue_takes(each[1]))),
                orders=tuple(order.later(TICK) if order.lag else order for order in state.orders),
            )
        )

    def _older(self, worker: Worker) -> Worker:
        if worker == IDLE:
            return worker
        chains = tuple(
            chain._replace(expiry=max(chain.expiry - TICK, PAST)) if chain.waits or chain.unheard else chain
            for chain in worker.chains
        )
        older = self._service.older
        return Worker(older(worker.read), older(worker.local), chains, worker.stale)

    def _tidy(self, state: State) -> State:
        """The state without what makes no difference."""
        if self._rules.fence:
            for row, crew in enumerate(state.crews):
                for slot, worker in enumerate(crew):
                    if worker.stale and self._service.expiry(worker.read) is None:
                        state = self._leaves(state, row, slot)
        if all(crew[0] <= crew[1] for crew in state.crews):
            return state
        return state._replace(crews=tuple(tuple(sorted(crew)) for crew in state.crews))

    def _leaves(self, state: State, row: int, slot: int) -> State:
        """A worker stops. What it has sent is under way all the same."""
        for chain in state.crews[row][slot].chains:
            state = self._lets_go(state, row, chain)
        return state.with_worker(row, slot, IDLE)

    def _lets_go(self, state: State, row: int, chain: Chain) -> State:
        if not chain.waits or chain.answer or not self._rules.venue_takes(chain.expiry):
            return state
        request = self._first[row] + chain.place, max(chain.expiry, -1)
        return state._replace(wire=tuple(sorted({*state.wire, request})))

    # what happens at the venue

    def _arrivals(self, state: State) -> Iterator[tuple[str, State]]:
        for request in state.wire:
            rest = tuple(each for each in state.wire if each != request)
            for what, _, orders in self._arrive(*request, state.orders):
                if orders != state.orders:
                    yield what, state._replace(wire=rest, orders=orders)
        for row, crew in enumerate(state.crews):
            for slot, worker in enumerate(crew):
                for lane, chain in enumerate(worker.chains):
                    if chain.waits and not chain.answer and self._rules.venue_takes(chain.expiry):
                        place = self._first[row] + chain.place
                        for what, answer, orders in self._arrive(place, chain.expiry, state.orders):
                            told = worker.with_chain(lane, chain._replace(answer=answer), worker.local)
                            after = state._replace(orders=orders).with_worker(row, slot, told)
                            yield what, self._tidy(after)

    def _arrive(
        self, place: int, expiry: int, orders: tuple[Order, ...]
    ) -> Iterator[tuple[str, str, tuple[Order, ...]]]:
        """What happened, the answer, and the orders after it."""
        intent, target = self._intents[place], self._acts_on[place]
        taken = venue.take(
            intent, orders[place], orders[target], replaces=self._script.replaces, last=max(expiry, 0)
        )
        for answer, own, other in taken:
            if answer == "refused" and not self._script.whims:
                continue
            after = list(orders)
            after[target], after[place] = other, own  # own last: the same of an order that acts on none
            yield f"{intent.client}'s venue says {answer} to {intent.client_order_id}", answer, tuple(after)

    def _fills(self, state: State) -> Iterator[tuple[str, State]]:
        for place, order in enumerate(state.orders):
            if order.real.is_live:
                for lag in (0, VISIBILITY):
                    filled = order.becomes(order.real._replace(status=OrderStatus.FILLED), lag)
                    orders = (*state.orders[:place], filled, *state.orders[place + 1 :])
                    yield "an order is filled", state._replace(orders=orders)

    # what workers do

    def _plans(self, state: State) -> Iterator[tuple[str, State]]:
        row = next((row for row, number in enumerate(state.rows) if number == UNPLANNED), None)
        if row is None or (row >= state.out and self._rules.message_order):
            return
        number, kept = self._service.planned(row, state.kept)
        worker = Worker(number, number, self._service.fresh(row, number))
        planned = state.with_row(row, number)._replace(kept=kept).with_worker(row, 0, worker)
        yield f"event {row + 1} is planned", self._tidy(self._shows_next(planned))

    def _shows_next(self, state: State) -> State:
        """The next message may be shown once an event's is deleted: none of its orders is just planned."""
        row = state.out - 1
        if state.out == len(state.rows) or state.rows[row] == UNPLANNED:
            return state
        intents = self._service.rows[state.rows[row]].intents
        is_handled = all(intent.state is not CopyState.PLANNED for intent in intents)
        return state._replace(out=state.out + 1) if is_handled else state

    def _worker_moves(self, state: State, row: int, slot: int, worker: Worker) -> Iterator[tuple[str, State]]:
        service = self._service
        if worker == IDLE:
            if (taken := service.taken(state.rows[row])) is not None:
                read = Worker(state.rows[row], taken)
                yield "takes over", self._write(state.with_worker(row, slot, read), row, slot)
            return
        yield "dies", self._tidy(self._leaves(state, row, slot))
        is_fresh = worker.read == worker.local and worker.chains == service.fresh(row, worker.read)
        if is_fresh and (renewed := service.renewed(worker.read)) is not None:
            wants = state.with_worker(row, slot, worker._replace(local=renewed))
            yield "renews", self._write(wants, row, slot)
        for lane, chain in enumerate(worker.chains):
            if chain != THROUGH:
                yield from self._chain_moves(state, row, slot, worker, lane)

    def _chain_moves(
        self, state: State, row: int, slot: int, worker: Worker, lane: int
    ) -> Iterator[tuple[str, State]]:
        chain = worker.chains[lane]
        place = self._first[row] + chain.place
        intent = self._intents[place]
        asked_for = place if self._script.makes_order(intent) else self._acts_on[place]
        where = (row, lane, chain, worker.read, worker.local, state.kept, state.orders[asked_for].shown)
        for step in self._service.steps(*where):
            after = self._lets_go(state, row, chain) if step.lets_go else state
            if step.chain.waits and intent.client in self._script.calm:
                _, answer, orders = next(self._arrive(place, 0, state.orders))
                after, told = after._replace(orders=orders), step.chain._replace(answer=answer)
                (step,) = self._service.steps(row, lane, told, *where[3:])
            moved = worker.with_chain(lane, step.chain, step.local)
            yield step.what, self._passes(after.with_worker(row, slot, moved), row, slot)

    def _passes(self, state: State, row: int, slot: int) -> State:
        """What a pass has changed is written when it is through with all clients."""
        worker = state.crews[row][slot]
        if any(chain != THROUGH for chain in worker.chains):
            return self._tidy(state)
        if worker.local != worker.read:
            return self._write(state, row, slot)
        again = worker._replace(chains=self._service.fresh(row, worker.read))
        return self._tidy(state.with_worker(row, slot, again))

    def _write(self, state: State, row: int, slot: int) -> State:
        worker = state.crews[row][slot]
        if worker.stale and self._rules.fence:
            return self._tidy(self._leaves(state, row, slot))
        kept = self._service.saved(row, state.kept, worker.read, worker.local)
        state = state.with_row(row, worker.local)._replace(kept=kept)
        other = state.crews[row][1 - slot]
        if other != IDLE:
            state = state.with_worker(row, 1 - slot, other._replace(stale=True))
        goes_on = IDLE
        if self._service.rows[worker.local].unfinished:
            goes_on = Worker(worker.local, worker.local, self._service.fresh(row, worker.local))
        return self._tidy(self._shows_next(state.with_worker(row, slot, goes_on)))

    # the laws

    def is_over(self, state: State, client: str = "") -> bool:
        """Whether both events are planned and every order, or every one of a client's, has its end."""
        return UNPLANNED not in state.rows and all(
            intent.state.is_submitted or (client and intent.client != client)
            for number in state.rows
            for intent in self._service.rows[number].intents
        )

    def law(self, state: State) -> str:
        """Which law the state breaks, in words; empty when it keeps all."""
        key = (state.rows, state.kept, *(order.real for order in state.orders))
        if key not in self._judged:
            self._judged[key] = self._judge(state)
        return self._judged[key]

    def _judge(self, state: State) -> str:
        orders = [order.real for order in state.orders]
        if any(order.count > 1 for order in orders):
            return "doubled"
        rows = [self._service.rows[number] for number in state.rows if number != UNPLANNED]
        for place, intent in enumerate(intent for row in rows for intent in row.intents):
            if why := self._disagrees(intent, orders[place], orders[self._acts_on[place]], orders):
                return f"{intent.client_order_id} {why}"
        return self._unsettled(state, orders) if self.is_over(state) else ""

    def _disagrees(self, intent: Intent, own: Standing, other: Standing, orders: list[Standing]) -> str:
        """How an intent does not agree with the venue."""
        accepted = intent.state is CopyState.ACCEPTED
        refused = intent.state in {CopyState.REJECTED, CopyState.DENIED}
        if self._script.makes_order(intent):
            if accepted and not own.count:
                return "is called accepted without an order"
            if refused and own.count:
                return "is called off although there is an order"
        match intent.action:
            case Action.PLACE if intent.acts_on is not None:
                if own.count and not other.is_gone:
                    return "is there beside what it is in the place of"
                if intent.reason == Reason.NOT_AMENDABLE and other.is_gone:
                    return "is lost: what it is in the place of was taken back"
            case Action.PLACE if intent.leg is LegKind.CLOSE and own.count:
                bought = [
                    orders[place].count
                    for place, each in enumerate(self._intents)
                    if each.client == intent.client and each.leg is LegKind.OPEN
                ]
                if not any(bought):
                    return "sells what was not bought"
            case Action.CANCEL if intent.state.is_submitted and other.is_live:
                return "is over and the order is not"
            case Action.AMEND if not self._script.replaces:
                terms = int(intent.price or 0)
                if accepted and other.is_live and other.terms < terms:
                    return "is called accepted and the order is another"
                if refused and other.terms == terms:
                    return "is called off and has changed the order"
                if intent.reason == "gone" and other.is_live:
                    return "came before the order that it is about"
        return ""

    def _unsettled(self, state: State, orders: list[Standing]) -> str:
        """What book and cursor still wait for when all is over."""
        kept = self._service.kept[state.kept]
        if kept.book.waiting:
            return "all is over, and something waits in the queue"
        for mirror in kept.cursor.mirrors.values():
            for name, came_to in mirror.orders.items():
                if (came_to is None) != bool(orders[self._places[name]].count):
                    return f"all is over, and to the cursor {name} came to {came_to}"
        return ""


def explore(script: Script, rules: Rules = WHOLE, broken: str = "") -> Finding:
    """All states, up to the first that breaks a law, or that breaks one in just these words."""
    model = TwoEvents(script, rules)

    def law(state: State) -> str:
        why = model.law(state)
        return why if why.endswith(broken) else ""

    return model.graph().find(law)
