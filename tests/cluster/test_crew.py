import threading

from ml_run.cluster.crew import Line, Mailbox, is_of_the_network


def test_a_mailbox_keeps_the_order_of_words():
    """Each word is taken once, with the number of who told it, in the order they came."""
    mailbox = Mailbox()
    for number, word in [(0, {"a": 1}), (1, {"b": 2}), (0, {"c": 3})]:
        mailbox.tell(number, word)
    assert mailbox.take() == [(0, {"a": 1}), (1, {"b": 2}), (0, {"c": 3})]
    assert mailbox.take() == []
    assert not mailbox.stop_asked()
    mailbox.ask_to_stop()
    assert mailbox.stop_asked()


def test_a_worker_heeds_the_first_reason_to_stop():
    """The worker is told once a reason has come, and the first one that came stays the reason."""
    taken, stopped = threading.Event(), threading.Event()
    line = Line(0, lambda _: None, {"preempted": lambda: taken.wait(5), "stop": lambda: stopped.wait(0.1) and False})
    line.heed(stopped.set)
    assert line.asked is None
    taken.set()
    assert stopped.wait(5)
    assert line.asked == "preempted"


def test_a_driver_that_is_gone_stops_nobody():
    """A question that nobody answers any more ends the watch, not the worker."""
    asked = threading.Event()

    def nobody_answers():
        asked.set()
        raise ConnectionError

    line = Line(0, lambda _: None, {"stop": nobody_answers})
    line.heed(lambda: None)
    assert asked.wait(5)
    assert line.asked is None


def test_errors_of_the_network_are_told_from_bugs():
    """What a worker sees when another one dies may be tried again; a bug would only come again."""
    assert is_of_the_network(RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"))
    assert is_of_the_network(type("DistBackendError", (RuntimeError,), {})("NCCL"))
    assert not is_of_the_network(KeyError("labels"))
