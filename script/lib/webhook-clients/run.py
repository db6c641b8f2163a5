"""Receives webhooks of a server and verifies them with the official library: `run.py SITE`, the administrator's password in PASSWORD.

Fails at the first thing that is not so. The codes of the second factor are made here, by RFC 6238.
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

site, password = sys.argv[1], os.environ["PASSWORD"]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
token = None
received: queue.Queue = queue.Queue()
answers = [204]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.put((body, dict(self.headers)))
        self.send_response(answers[0] if len(answers) == 1 else answers.pop(0))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method: str, path: str, body=None, status: int = 200):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(site + path, data=data, headers=headers, method=method)
    try:
        with opener.open(request, timeout=30) as reply:
            assert reply.status == status, f"{method} {path}: {reply.status}"
            text = reply.read()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
    return json.loads(text) if text else None


def code(seed: str) -> str:
    """The code of an authenticator app now (RFC 6238)."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def refused(hook: Webhook, body: bytes, headers: dict) -> bool:
    try:
        hook.verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


token = call("POST", "/api/v1/session", {"email": "admin@receivers.example", "password": password}, 201)["token"]
factor = call("POST", "/api/v1/factors/totp", {"name": "App", "password": password}, 201)
added = call("POST", f"/api/v1/factors/totp/{factor['id']}/confirm", {"code": code(factor["secret"])}, 201)
token = added.get("token", token)

server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/hook"
made = call("POST", "/api/v1/webhooks", {"name": "Library", "url": url}, 201)
path, secret = f"/api/v1/webhooks/{made['webhook']['id']}", made["secret"]
hook = Webhook(secret)

# A test, refused once and taken at the second attempt: the library verifies both, and they are one message.
answers[:] = [500, 204]
call("POST", path + "/test", status=202)
(first, headers), (second, again) = received.get(timeout=30), received.get(timeout=30)
event = hook.verify(first, headers)
assert event["type"] == "webhook.test" and event["data"]["webhook_id"] == made["webhook"]["id"], event
hook.verify(second, again)
assert first == second and headers["webhook-id"] == again["webhook-id"]

# What was changed on the way is refused.
assert refused(hook, first.replace(b"webhook.test", b"webhook.best"), headers)
assert refused(hook, first, headers | {"webhook-id": "another"})
assert refused(hook, first, headers | {"webhook-timestamp": str(int(time.time()) - 3600)})
assert refused(Webhook(base64.b64encode(b"another secret of enough bytes").decode()), first, headers)

# After a rotation the receiver verifies with the new secret and with the former one.
new = call("POST", path + "/secret")["secret"]
call("POST", path + "/test", status=202)
body, headers = received.get(timeout=30)
assert new != secret and len(headers["webhook-signature"].split(" ")) == 2
for one in (secret, new):
    Webhook(one).verify(body, headers)

# An event of the organisation, not a test: a key is made by a service account's administrator.
account = call("POST", "/api/v1/service-accounts", {"name": "CI", "roles": ["member"]}, 201)
body, headers = received.get(timeout=30)
event = Webhook(new).verify(body, headers)
assert event["type"] == "member.added" and event["data"] == {"member_id": account["id"]}, event
print("the standardwebhooks library verified 4 deliveries and refused 4 that were changed")
