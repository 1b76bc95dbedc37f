"""The peer of the intake: a plain Powertools handler that keeps a webhook's body as one item, and checks nothing.

It is written as most functions are: its clients are made while the module loads.
"""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
app = APIGatewayHttpResolver()
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


@app.post("/webhooks/<partner>")
def webhook(partner: str) -> Response[Any]:
    event_id = app.current_event.headers["webhook-id"]
    table.put_item(
        Item={"pk": f"put_one#{partner}#{event_id}", "event": app.current_event.body},
        ConditionExpression="attribute_not_exists(pk)",
    )
    logger.info("kept")
    return Response(202, "application/json", {"state": "kept"})


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
