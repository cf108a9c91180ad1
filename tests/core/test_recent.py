"""Who has just ended is remembered for a while, in bounded memory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.attempt import ENDED, Attempt
from core.recent import GENERATION, GENERATION_SECONDS, Recent


def ended(uuid):
    return Attempt(uuid, None, 0, ENDED)


def test_who_has_just_ended_is_found():
    recent = Recent()
    attempt = ended("1")

    recent.put(attempt)

    assert (recent.get("1"), recent.get("2")) == (attempt, None)


def test_who_lives_again_is_not_found():
    recent = Recent()
    recent.put(ended("1"))

    recent.forget("1")
    recent.forget("never heard of")

    assert recent.get("1") is None


def test_memory_lasts_for_one_generation_at_least_and_two_at_most():
    recent = Recent()
    recent.tick(1_000.0)
    recent.put(ended("1"))

    found = []
    for now in (1_000.0 + GENERATION_SECONDS - 1, 1_000.0 + GENERATION_SECONDS, 1_000.0 + 2 * GENERATION_SECONDS):
        recent.tick(now)
        found.append(recent.get("1") is not None)

    assert found == [True, True, False]


def test_flood_does_not_wait_for_the_clock():
    recent = Recent()
    for number in range(3 * GENERATION):
        recent.put(ended(str(number)))

    kept = len(recent._young) + len(recent._old)

    assert GENERATION <= kept <= 2 * GENERATION
    assert recent.get(str(3 * GENERATION - 1)) is not None
    assert recent.get("0") is None


def test_later_end_of_a_task_is_the_one_that_is_found():
    recent = Recent()
    recent.put(ended("1"))
    recent.tick(GENERATION_SECONDS)
    later = ended("1")

    recent.put(later)

    assert recent.get("1") is later


def test_forgotten_attempts_are_handed_out_once_if_older_ones_hang_on_them():
    recent = Recent()
    recent.tick(1_000.0)
    follower = Attempt("1", None, 1, ENDED, older=ended("1"))
    recent.put(follower)
    recent.put(ended("2"))

    forgotten = [recent.tick(1_000.0 + number * GENERATION_SECONDS) for number in range(1, 4)]

    assert forgotten == [[], [follower], []]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 9)),
            st.tuples(st.just("forget"), st.integers(0, 9)),
            st.tuples(st.just("pass"), st.integers(1, 400)),
        ),
        max_size=60,
    )
)
@settings(max_examples=200, deadline=None)
def test_recent_is_a_list_with_times(steps):
    recent = Recent()
    now = 1_000.0
    recent.tick(now)
    model = {}
    for step, argument in steps:
        if step == "put":
            model[argument] = (now, ended(str(argument)))
            recent.put(model[argument][1])
        elif step == "forget":
            model.pop(argument, None)
            recent.forget(str(argument))
        else:
            for _ in range(argument):  # it is told of every second
                now += 1.0
                recent.tick(now)
        for number in range(10):
            at, attempt = model.get(number, (None, None))
            found = recent.get(str(number))
            assert found is None or found is attempt
            assert at is None or now - at >= GENERATION_SECONDS or found is attempt
            assert at is None or now - at < 2 * GENERATION_SECONDS or found is None
