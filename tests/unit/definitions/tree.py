"""Definitions and samples in a folder of their own."""

import json

from layers.config.compile import main

PARTNER = """\
partner: acme
scheme: standard-webhooks
sample: events/acme.json
when: event.kind == 'opened'
ticket:
  subject: ${event.title}
  comment:
    body: ${event.text}
  priority: high
"""
RULE = """\
rule: raise
sample:
  event: events/update.json
  ticket: events/ticket.json
when: ticket.status == 'open'
changes:
  priority: high
  tags:
    add: ["${event.tag}"]
"""
TICKET = {"status": "open", "tags": [], "email_cc_ids": list(range(100, 148))}


class Tree:
    """Definitions and samples in a folder of their own."""

    def __init__(self, root, capsys):
        self.root = root
        self.capsys = capsys
        self.partner("acme", PARTNER)
        self.write("updates/raise.yaml", RULE)
        self.write("events/acme.json", json.dumps({"kind": "opened", "title": "Fire", "text": "It burns"}))
        self.write("events/update.json", json.dumps({"rule": "raise", "tag": "vip"}))
        self.write("events/ticket.json", json.dumps({"ticket": TICKET}))

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def partner(self, name, text):
        self.write(f"partners/{name}.yaml", text)

    def run(self, *arguments):
        return main([*arguments, "--config", str(self.root)])

    def problems(self, *arguments):
        """What is printed for a failing check, with paths as seen from the tree."""
        assert self.run(*(arguments or ["--check"])) == 1
        printed = self.capsys.readouterr()
        assert printed.out == ""
        return printed.err.replace(f"{self.root}/", "").splitlines()
