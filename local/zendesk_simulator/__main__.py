"""`python -m local.zendesk_simulator PORT`: the simulator alone.

Its OAuth client is `ticket-relay`, with the secret `local`.
"""

import sys

from aiohttp import web

from .account import Account
from .server import application

if __name__ == "__main__":
    web.run_app(application(Account("local")), host="127.0.0.1", port=int(sys.argv[1]))
