"""Events that bring files, the definition that takes them, and what becomes of the files."""

import base64

from tests.file_server import HOST

TEXT = b"quantity,goods\n2,lamp\n"
FILES = {"$map": {"$eval": "event.files"}, "each(file)": {"$eval": "file"}}
TICKET = {
    "subject": "${event.thing}",
    "requester": {"name": "Monitoring", "email": "monitoring@acme.example.com"},
    "comment": {"body": "${event.text}", "attachments": FILES},
}
NOTED = {"comment": {"body": "${event.text}", "public": True, "attachments": FILES}}
CASES = [
    {"when": "event.kind == 'fired'", "do": "create", "ticket": TICKET},
    {"when": "event.kind == 'noted'", "do": "update", "changes": NOTED},
]
POLICY = {"hosts": [HOST], "types": ["image/png", "text/csv"], "max_mb": 0.001}

PHOTO, GOODS = ("photo.png", "image/png"), ("goods.csv", "text/csv")


def of_url(url, name="photo.png", **more):
    return {"url": url, "filename": name} | more


def in_base64(content=TEXT, name="goods.csv", content_type="text/csv", **more):
    return {"base64": base64.b64encode(content).decode(), "filename": name, "content_type": content_type} | more
