"""Laws of turning Redis' password: whoever knows the current one is let in, whatever dies or comes twice."""

import contextlib
import json
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rotation.handler import new_password
from services.rotation.turning import ALPHABET, LENGTH, LOOKS, NotTurned
from tests.rotation_rig import SECRET, USER, Died, FakeCache, FakeSecrets, refusal, turning

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


class Attempt(NamedTuple):
    """A call of the function: a step of the rotation that is the last begun, or of the one before."""

    step: str
    life: int
    after: bool
    late: bool


attempts = st.builds(Attempt, st.sampled_from(STEPS), st.integers(0, 8), st.booleans(), st.booleans())
rotations = st.lists(st.lists(attempts, max_size=10), min_size=1, max_size=4)


class World:
    """A secret, its user, and services that know what was current when they started."""

    def __init__(self, slowness: int = 2) -> None:
        self.secrets, self.cache = FakeSecrets(), FakeCache(slowness)
        self._made = (f"{number:064}" for number in count())
        self.tokens: list[str] = []

    def begin(self) -> None:
        self.tokens.append(f"token-{len(self.tokens)}")
        self.secrets.begin(self.tokens[-1])

    def attempt(self, step: str, *, life: int = 0, after: bool = False, late: bool = False) -> None:
        token = self.tokens[-2] if late and len(self.tokens) > 1 else self.tokens[-1]
        function = turning(
            self.secrets, self.cache, self._made.__next__, life=life, after=after, saw=self.nobody_is_shut_out
        )
        function.run(step, SECRET, token)

    def nobody_is_shut_out(self) -> None:
        current = self.secrets.current
        assert len(current) <= 1
        for token in current:
            assert self.cache.is_let_in(USER.name, json.loads(self.secrets.values[token])["password"])
        assert len(self.cache.passwords) <= 2


@given(course=rotations, slowness=st.integers(0, 4))
@settings(max_examples=300)
def test_any_order_of_repeated_steps_and_deaths_ends_with_one_working_password(
    course: list[list[Attempt]], slowness: int
) -> None:
    """After every call to AWS the current password lets in; once a rotation's steps get through, its password
    is the current one, and the one before still lets in."""
    world = World(slowness)
    for attempts_of_one in course:
        world.begin()
        for each in attempts_of_one:
            with contextlib.suppress(Died, NotTurned):
                world.attempt(each.step, life=each.life, after=each.after, late=each.late)
            world.nobody_is_shut_out()
        before = world.secrets.current
        for step in STEPS:  # Secrets Manager goes on until they get through
            world.attempt(step)
        world.nobody_is_shut_out()
        assert world.secrets.current == [world.tokens[-1]]
        for token in {*before, world.tokens[-1]}:
            password = json.loads(world.secrets.values[token])["password"]
            assert world.cache.is_let_in(USER.name, password)


def test_the_first_turn_lets_the_user_in() -> None:
    """Before it nobody is: there is no first password that anyone could keep."""
    world = World()
    assert not world.cache.access.startswith("on")
    world.begin()
    for step in STEPS:
        world.attempt(step)
    assert world.cache.access == USER.access
    assert len(world.cache.passwords) == 1


def test_a_finished_rotation_changes_nothing_any_more() -> None:
    """Its steps may come again, and do nothing."""
    world = World()
    world.begin()
    for step in STEPS:
        world.attempt(step)
    secrets, passwords = json.dumps(world.secrets.labels), list(world.cache.passwords)
    for step in STEPS:
        world.attempt(step)
    assert (json.dumps(world.secrets.labels), world.cache.passwords) == (secrets, passwords)


def test_a_rotation_that_was_given_up_is_refused() -> None:
    """A late call of it must not set its password over the newer one's."""
    world = World()
    world.begin()
    world.attempt("createSecret")
    world.begin()
    with pytest.raises(NotTurned, match="token-0 of dev-redis is not AWSPENDING"):
        world.attempt("setSecret", late=True)


@pytest.mark.parametrize("step", ["setSecret", "testSecret", "finishSecret"])
def test_without_a_pending_password_nothing_is_set(step: str) -> None:
    """The steps have an order, and say so."""
    world = World()
    world.begin()
    with pytest.raises(NotTurned, match="createSecret comes first"):
        world.attempt(step)


def test_what_is_not_let_in_does_not_become_current() -> None:
    """`finishSecret` looks for itself, for a bounded time."""
    world = World()
    world.begin()
    world.attempt("createSecret")
    with pytest.raises(NotTurned, match="does not let services in"):
        world.attempt("finishSecret")
    assert world.secrets.current == []


def test_a_user_that_stays_busy_is_waited_for_within_bounds() -> None:
    """The function ends by itself, and says what it waited for."""
    world = World(slowness=10 * LOOKS)
    world.begin()
    world.attempt("createSecret")
    with pytest.raises(NotTurned, match="user dev-services is modifying since 300 s"):
        world.attempt("setSecret")


def test_an_unknown_step_is_refused() -> None:
    """With the steps there are."""
    world = World()
    world.begin()
    with pytest.raises(NotTurned, match="createSecret, setSecret, testSecret, finishSecret"):
        world.attempt("deleteSecret")


def test_what_aws_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer other than "not found" is not taken for an absent password."""
    world = World()
    world.begin()

    def deny(**_: object) -> None:
        raise refusal("AccessDeniedException", "GetSecretValue")

    monkeypatch.setattr(world.secrets, "get_secret_value", deny)
    with pytest.raises(type(refusal("", "")), match="AccessDeniedException"):
        world.attempt("createSecret")


def test_passwords_are_long_of_plain_characters_and_never_the_same() -> None:
    """ElastiCache takes them, JSON and URLs need not quote them."""
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) == LENGTH and set(each) <= set(ALPHABET) for each in made)
