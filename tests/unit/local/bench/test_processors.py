from local.bench import processors


def test_the_busiest_comes_first_and_the_idle_is_left_out():
    sentence = processors.shares({"moto": 0.2, "poll_jobs": 0.91, "update_ticket": 0.001})
    assert sentence.endswith(": poll_jobs 0.91, moto 0.20.")


def test_this_process_is_seen_at_work():
    sentence = processors.watched({})
    sum(range(3_000_000))
    assert "front, partners and Zendesk" in sentence()
