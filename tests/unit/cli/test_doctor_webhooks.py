import pytest

from cli.doctor import webhooks
from cli.doctor.finding import Status
from cli.doctor.setup import POLL
from layers.config.compile import Config
from tests.fakes import answered
from tests.unit.cli import test_doctor_zendesk
from tests.unit.cli.test_doctor_zendesk import flaw

setup, wire, proven = test_doctor_zendesk.setup, test_doctor_zendesk.wire, test_doctor_zendesk.proven


@pytest.fixture
def sweeping(setup):
    """A stack that sweeps, and knows these webhooks."""

    def with_webhooks(webhook_ids="w1", minutes=5):
        changes = {"sweep_minutes": minutes, "zendesk_webhook_ids": webhook_ids}
        setup.settings[POLL] = setup.settings[POLL].model_copy(update=changes)
        return setup

    return with_webhooks


def invocations(*statuses):
    found = [{"id": str(number), "status": status} for number, status in enumerate(statuses)]
    return answered(200, {"invocations": found, "meta": {"has_more": False}})


def test_that_nothing_was_dropped_is_good(sweeping, proven):
    proven(invocations("success", "server error", "accepted"))
    assert webhooks.dropped(sweeping()) == "Of the latest 3 webhooks Zendesk dropped none."


def test_what_was_dropped_is_a_warning_by_status_over_all_webhooks(sweeping, proven):
    proven(invocations("throttled", "success", "circuit broken"), invocations("throttled", "terminated"))
    found = flaw(webhooks.dropped, sweeping("w1 w2"))
    assert found.status is Status.WARNING
    assert found.finding == ("Of the latest 5 webhooks Zendesk dropped 4: 1 circuit broken, 1 terminated, 2 throttled.")


def test_without_an_id_nobody_is_asked(sweeping, wire):
    sent = wire()
    assert flaw(webhooks.dropped, sweeping("")).status is Status.UNCHECKED
    assert sent.sent == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [(answered(403, test_doctor_zendesk.NO_SCOPE), "403"), (answered(200, {}), "without invocations")],
)
def test_a_webhook_that_may_not_be_looked_at_is_wrong(sweeping, proven, answer, said):
    proven(answer)
    found = flaw(webhooks.dropped, sweeping())
    assert (found.status, said in found.finding) == (Status.WRONG, True)


def test_an_export_that_is_allowed_is_good_and_one_that_is_not_is_wrong(sweeping, proven):
    proven(answered(200, {"tickets": []}))
    assert webhooks.export(sweeping()).startswith("What has changed may be read")
    proven(answered(403, test_doctor_zendesk.NO_SCOPE))
    assert flaw(webhooks.export, sweeping()).status is Status.WRONG


def test_without_a_rule_that_is_swept_or_without_sweeps_no_export_is_asked_for(sweeping, wire, tmp_path):
    sent = wire()
    assert flaw(webhooks.export, sweeping(minutes=0)).status is Status.UNCHECKED
    (tmp_path / "partners").mkdir()
    setup = sweeping()
    setup.config = Config(tmp_path)
    assert flaw(webhooks.export, setup).status is Status.UNCHECKED
    assert sent.sent == []


def test_before_the_credentials_are_good_nothing_is_asked(sweeping, wire):
    sent = wire()
    assert flaw(webhooks.dropped, sweeping()).finding.startswith("Not checked")
    assert flaw(webhooks.export, sweeping()).finding.startswith("Not checked")
    assert sent.sent == []
