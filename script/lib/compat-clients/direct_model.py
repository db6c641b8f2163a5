"""Sets a model up as an administrator would: `direct_model.py SITE EMAIL PASSWORD_FILE MODEL_ADDRESS`. Adds an authenticator app first, for what
follows needs a second factor, then the provider, and lets programs use its model.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys
import time
import urllib.request
from pathlib import Path

site, email, password, address = sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text().strip(), sys.argv[4]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
token = ""


def send(method: str, path: str, body: dict) -> dict:
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(site + path, json.dumps(body).encode(), headers, method=method)
    with opener.open(request) as reply:
        return json.load(reply)


def code(secret: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    key = base64.b32decode(secret.replace(" ", "").upper() + "=" * (-len(secret.replace(" ", "")) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


token = send("POST", "/api/v1/session", {"email": email, "password": password})["token"]
begun = send("POST", "/api/v1/factors/totp", {"name": "script", "password": password})
token = send("POST", f"/api/v1/factors/totp/{begun['id']}/confirm", {"code": code(begun["secret"])})["token"]
provider = {"name": "Scripted", "format": "openai", "base_url": address, "models": [{"name": "scripted/model-1"}]}
send("POST", "/api/v1/providers", provider)
assert send("PUT", "/api/v1/provider-policy", {"direct_models": True})["direct_models"]
