from pathlib import Path

from local.bench import processors
from local.runtimes.pool import Pool
from local.runtimes.runtime import Function

FUNCTION = Function("f", "app.handler", Path(), (), {}, timeout=3, memory=128, log_format="Text", reserved=None)


def test_the_busiest_comes_first_and_the_idle_is_left_out():
    sentence = processors.shares({"moto": 0.2, "poll_jobs": 0.91, "update_ticket": 0.001})
    assert sentence.endswith(": poll_jobs 0.91, moto 0.20.")


def test_this_process_is_seen_at_work():
    sentence = processors.watched({})
    sum(range(3_000_000))
    assert "front, partners and Zendesk" in sentence()


def test_a_runtime_that_overran_its_time_is_told_of():
    pool = Pool(FUNCTION)
    sentence = processors.watched({"poll_jobs": pool})
    assert "overran" not in sentence()
    pool.lost += 2
    assert sentence().endswith("Runtimes that died or overran their time: poll_jobs 2.")
