import logging

import pytest

from ml_run import events
from ml_run.errors import Interrupted
from ml_run.modeling.telling import Asked, handing, pass_on


def test_events_are_handed_over_whole(caplog):
    """What happens in a process that trains for another happens there with the same message, level and facts."""
    told = []
    with handing(told.append):
        events.emit("warning", "a % sign", level=logging.WARNING, step=4)
        events.logger.debug("seen")
    events.emit("note", "not handed over")
    assert told == [
        {"level": logging.WARNING, "message": "a % sign", "event": "warning", "data": {"step": 4}},
        {"level": logging.DEBUG, "message": "seen", "event": None, "data": {}},
    ]
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "ml_run"):
        for one in told:
            pass_on(one)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "a % sign"), ("DEBUG", "seen"),
    ]  # fmt: skip
    assert (caplog.records[0].event, caplog.records[0].data) == ("warning", {"step": 4})


def test_nobody_hears_a_process_that_is_not_the_first(caplog):
    """One of several processes tells; the others keep to themselves."""
    with caplog.at_level(logging.DEBUG, "ml_run"), handing(None):
        events.emit("note", "twice")
    assert not caplog.records


def test_a_stop_is_passed_on():
    """A process that is asked to stop does so at its next safe point, like one that got the signal."""
    asked = Asked()
    assert not asked.requested
    asked.ask()
    assert asked.requested
    with pytest.raises(Interrupted) as caught, asked.deferred():
        pass
    assert caught.value.exit_code == 143
