"""The simulated account: all its state in one place, and its switches as plain Python.

Everything runs in the server's thread. From another thread, hold `account.lock` around anything but reading a number,
setting a setting, or adding a fault, a plan or a trigger.
"""

import threading
import time
from collections.abc import Callable
from itertools import count

from .clock import Clock
from .deliveries import Deliveries
from .faults import Faults
from .idempotency import IdempotencyKeys
from .jobs import Jobs
from .journal import Journal
from .limits import Limits
from .names import Names
from .oauth import OAuth
from .settings import Settings
from .tickets import Tickets
from .triggers import Triggers
from .uploads import Uploads
from .users import Users

CLIENT_ID = "ticket-relay"


class Account:
    """An account with the OAuth client of one integration, which acts as the user `relay`.

    `source` is the clock below the simulated offset, for tests that hold time still.
    """

    def __init__(self, client_secret: str, client_id: str = CLIENT_ID, source: Callable[[], float] = time.time) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.lock = threading.RLock()
        self._source = source
        self.reset()

    def reset(self) -> None:
        """Everything as in the beginning: no tickets, no tokens, no faults, settings at their defaults."""
        ids = count(21311632247, 20)
        self.settings = Settings()
        self.clock = Clock(self._source)
        self.users = Users(ids, self.clock.now)
        self.relay = self.users.add("Ticket Relay", "relay@example.com", "admin")
        self.oauth = OAuth(self.client_id, self.client_secret, self.relay, self.settings)
        self.limits = Limits(self.settings)
        self.keys = IdempotencyKeys()
        self.uploads = Uploads(ids, self.settings)
        self.jobs = Jobs(self.settings)
        self.deliveries = Deliveries()
        self.triggers = Triggers(self.users, self.settings, self.deliveries, ids, self.clock.now)
        self.names = Names()
        self.tickets = Tickets(self.users, self.uploads, self.names, self.clock, ids, self.triggers.fire)
        self.faults = Faults()
        self.journal = Journal()

    def settle(self) -> None:
        """Let everything happen that is due by now."""
        with self.lock:
            self.jobs.settle(self.clock.now())
