"""On which queue is a task? The ladder, rung by rung."""

from unittest.mock import patch

import pytest

from core import attribution as attribution_module
from core.attribution import DELAY_BITS, Attribution
from core.workers import Worker
from tests.core.replay import sent

BITS = ".".join("0101010101010101010101010101")


def worker_of(*queues):
    worker = Worker("w1@lab", 0.0)
    worker.queues = queues or None
    return worker


def test_task_sent_names_the_queue():
    attribution = Attribution()

    assert attribution.of_sent(sent(queue="mail", routing_key="other")) == "mail"
    assert attribution.sources == {"sent": 1}


@pytest.mark.parametrize("queue", [None, ""])
@pytest.mark.parametrize(
    ("routing_key", "name"),
    [
        (f"{BITS}.mail", "mail"),
        (f"{BITS}.mail.eu.urgent", "mail.eu.urgent"),  # names of queues may hold dots
        (f"{BITS}.0.1", "0.1"),  # and may look like bits
        ("mail", "mail"),
        ("mail.eu", "mail.eu"),
        (BITS, BITS),  # nothing behind the bits: then they are none
        (BITS.removeprefix("0.") + ".mail", BITS.removeprefix("0.") + ".mail"),  # 27 bits are none either
        (BITS.replace("1", "2") + ".mail", BITS.replace("1", "2") + ".mail"),
    ],
)
def test_routing_key_names_it_behind_the_bits_of_delayed_delivery(queue, routing_key, name):
    attribution = Attribution()

    assert attribution.of_sent(sent(queue=queue, routing_key=routing_key)) == name
    assert attribution.sources == {"routing_key": 1}
    assert BITS.count(".") + 1 == DELAY_BITS == 28


@pytest.mark.parametrize("routing_key", [None, ""])
def test_task_sent_that_names_nothing_leaves_it_unknown(routing_key):
    attribution = Attribution()

    assert attribution.of_sent(sent(queue=None, routing_key=routing_key)) is None
    assert attribution.sources == {"unknown": 1}


def test_without_task_sent_the_only_queue_of_its_worker_comes_first():
    attribution = Attribution()
    attribution.of_sent(sent(name="t", queue="other"))

    assert attribution.guess("t", worker_of("mail")) == "mail"
    assert attribution.sources == {"sent": 1, "worker": 1}


@pytest.mark.parametrize("worker", [None, worker_of(), worker_of("mail", "bulk")])
def test_without_task_sent_the_last_queue_of_its_name_comes_second(worker):
    attribution = Attribution()
    attribution.of_sent(sent(name="t", queue="first"))
    attribution.of_sent(sent(name="t", queue="last"))

    assert attribution.guess("t", worker) == "last"
    assert attribution.sources == {"sent": 2, "name": 1}


@pytest.mark.parametrize("worker", [None, worker_of(), worker_of("mail", "bulk")])
@pytest.mark.parametrize("name", [None, "never sent"])
def test_without_any_evidence_it_is_unknown(worker, name):
    attribution = Attribution()
    attribution.of_sent(sent(name="t", queue="celery"))

    assert attribution.guess(name, worker) is None
    assert attribution.sources == {"sent": 1, "unknown": 1}


def test_names_that_are_remembered_are_bounded_and_known_ones_go_on_being_updated():
    with patch.object(attribution_module, "MAX_NAMES", 2):
        attribution = Attribution()
        for name, queue in (("a", "1"), ("b", "1"), ("c", "1"), ("a", "2")):
            attribution.of_sent(sent(name=name, queue=queue))

        assert [attribution.guess(name, None) for name in "abc"] == ["2", "1", None]
