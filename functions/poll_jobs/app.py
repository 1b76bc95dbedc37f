"""Every minute: advance the rows that are not over."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ticket_relay import config, observability
from ticket_relay.poll_jobs import poller
from ticket_relay.services import services
from ticket_relay.storage.dynamodb import CALLS_AT_ONCE
from ticket_relay.storage.parts import Step
from ticket_relay.storage.rows import TicketRow, UpdateRow


@observability.lambda_handler
def handler(_: dict[str, Any], context: LambdaContext) -> None:
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        poller.run(services().in_parallel(pool.map), lambda: context.get_remaining_time_in_millis() / 1000)


# At the end of the module, so that Lambda's init phase pays for it. The models are built while there are no threads:
# pydantic is not made for several that build one.
if config.in_lambda():
    services()
    Step.model_rebuild()
    TicketRow.model_rebuild()
    UpdateRow.model_rebuild()
