"""Sign-ins: each has a token and a proof of its own, and an end."""

from power_nowcast.live.sessions import MOST_SESSIONS, SESSION_SECONDS, Sessions


def test_a_session_ends_by_itself_or_by_its_reader() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    first, second = sessions.begin("k1"), sessions.begin("k2")
    one, other = sessions.find(first), sessions.find(second)
    assert one is not None
    assert other is not None
    assert (one.key_id, other.key_id) == ("k1", "k2")
    assert len({first, second, one.proof, other.proof}) == 4
    assert one.proves(one.proof)
    assert not one.proves(other.proof)
    assert not one.proves("")
    assert sessions.find("x") is sessions.find("") is None
    sessions.end(second)
    assert sessions.find(second) is None
    now[0] = SESSION_SECONDS - 1.0
    assert sessions.find(first) == one
    now[0] = SESSION_SECONDS
    assert sessions.find(first) is None


def test_the_memory_for_sessions_is_bounded() -> None:
    sessions = Sessions(lambda: 0.0)
    first = sessions.begin("k")
    second = sessions.begin("k")
    for _ in range(MOST_SESSIONS - 1):
        sessions.begin("k")
    assert sessions.find(first) is None
    assert sessions.find(second) is not None
