"""Fills an organisation with one or more of everything that the API shows, as an administrator would: `prepare.py SITE MODEL FOLDER`.

Reads the password of admin@conformance.example from FOLDER/password. Leaves in FOLDER `state.json`, what the run needs: the session's token,
the seed of its second factor, the ids by the paths that take them, and those of the administrator, which the run must not take away from itself;
and `schemathesis.toml`, which binds the ids to the parameters of those paths.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SPARE = 6
"""Things of each kind, so that there are some left after others were deleted."""
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def code(seed: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def call(site: str, token: str | None, method: str, path: str, body=None, form: bytes | None = None):
    headers = {"content-type": "multipart/form-data; boundary=part" if form else "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = form or (None if body is None else json.dumps(body).encode())
    request = urllib.request.Request(site + path, data, headers, method=method)
    try:
        with opener.open(request, timeout=30) as reply:
            text = reply.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None
    return json.loads(text) if text else None


def fill(send, model: str) -> dict[str, list[str]]:
    """Makes things, and returns their ids by the paths that take them."""
    ids: dict[str, list[str]] = {}
    numbers = range(SPARE)
    ids["groups"] = [send("POST", "/api/v1/groups", {"name": f"Group {n}"})["id"] for n in numbers]
    accounts = [send("POST", "/api/v1/service-accounts", {"name": f"Account {n}", "roles": ["member"]})["id"] for n in numbers]
    ids["members"] = accounts
    send("POST", f"/api/v1/groups/{ids['groups'][0]}/members", {"members": accounts[:3]})
    ids["collections"] = [send("POST", "/api/v1/collections", {"name": f"Collection {n}", "access": "private"})["slug"] for n in numbers]
    sentence = "A stability protocol names the batches, the storage conditions and the acceptance criteria (ICH Q1A)."
    form = "--part\r\ncontent-disposition: form-data; name=\"file\"; filename=\"note {}.txt\"\r\n\r\nNote {}\n\n{}\r\n--part--\r\n"
    ids["documents"] = [send("POST", "/api/v1/documents", form=form.format(n, n, sentence).encode())["id"] for n in numbers]
    ids["invitations"] = [
        send("POST", "/api/v1/invitations", {"email": f"person{n}@conformance.example", "roles": ["member"]})["invitation"]["id"] for n in numbers
    ]
    ids["keys"] = [send("POST", "/api/v1/keys", {"name": f"Key {n}", "scopes": ["expert.read"]})["id"] for n in numbers]
    providers = [
        send("POST", "/api/v1/providers", {"name": f"Scripted {n}", "format": "openai", "base_url": model, "models": [{"name": f"scripted-{n}"}]})
        for n in numbers
    ]
    ids["providers"] = [p["id"] for p in providers]
    ids["provider-models"] = [p["models"][0]["id"] for p in providers]
    hooks = [send("POST", "/api/v1/webhooks", {"name": f"Hook {n}", "url": model + "/hook"})["webhook"]["id"] for n in numbers]
    ids["webhooks"] = hooks
    ids["webhook-deliveries"] = [send("POST", f"/api/v1/webhooks/{hook}/test")["id"] for hook in hooks]
    ids["tool-servers"] = [
        send("POST", "/api/v1/tool-servers", {"name": f"Tools {n}", "address": model + "/mcp", "auth": "none"})["id"] for n in numbers
    ]
    sso = {"kind": "oidc", "issuer": model, "client_id": "vital", "secret": "a secret of the scripted provider", "default_roles": ["member"]}
    ids["sso/providers"] = [send("POST", "/api/v1/sso/providers", {"name": f"Login {n}", **sso, "issuer": f"{model}/{n}"})["id"] for n in numbers]
    budgets = [(scope, period) for scope in ("organisation", "every_person") for period in ("day", "month")]
    ids["budgets"] = [
        send("PUT", "/api/v1/budgets", {"scope": scope, "period": period, "limit_tokens": 10**12})["id"] for scope, period in budgets
    ]
    ids["domains"] = [send("POST", "/api/v1/domains", {"domain": f"path{n}.example.com"})["domain"] for n in numbers]
    talks = [send("POST", "/api/v1/conversations", {})["id"] for _ in numbers]
    ids["conversations"] = talks
    ids["turns"] = [send("POST", f"/api/v1/conversations/{talk}/turns", {"question": "What does a stability protocol name?"})["id"] for talk in talks]
    for turn in ids["turns"]:
        wait(send, turn)
    ids["experts"] = [e["slug"] for e in send("GET", "/api/v1/experts?limit=5")["items"]][:5]
    ids["audit/entries"] = [e["id"] for e in send("GET", "/api/v1/audit/entries?limit=5")["items"]]
    ids["audit/documents"] = ids["documents"]
    ids["audit/reviews"] = [r["week"] for r in send("GET", "/api/v1/audit/reviews")["items"]]
    ids["factors"] = [send("POST", "/api/v1/factors/totp", {"name": f"App {n}"})["id"] for n in range(3)]
    ids["factors/totp"] = ids["factors"]
    return ids


def wait(send, turn: str) -> None:
    """Waits for the end of an answer, so that what follows is not about one in the making."""
    until = time.monotonic() + 60
    while send("GET", f"/api/v1/turns/{turn}")["state"] == "running":
        if time.monotonic() > until:
            raise RuntimeError(f"the answer {turn} did not end within a minute")
        time.sleep(0.1)


def bindings(document: dict, ids: dict[str, list[str]]) -> str:
    """The configuration that gives most requests an id which is there; the others get one that was made up."""
    lines = []
    for name, values in ids.items():
        if values:
            lines += [f'[dictionaries."{name}"]', f"values = {json.dumps(values)}"]
    for path in document["paths"]:
        kind, _, rest = path.removeprefix("/api/v1/").partition("/{")
        if ids.get(kind):
            parameter = rest.partition("}")[0]
            lines += ["[[operations]]", f'include-path = "{path}"']
            lines += [f'parameters = {{ "path.{parameter}" = {{ dictionary = "{kind}", probability = 0.8 }} }}']
    return "\n".join(lines) + "\n"


def main() -> None:
    site, model, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    password = (folder / "password").read_text().strip()
    credentials = {"email": "admin@conformance.example", "password": password}
    sessions = [call(site, None, "POST", "/api/v1/session", credentials)["token"] for _ in range(2)]
    token = sessions[0]
    begun = call(site, token, "POST", "/api/v1/factors/totp", {"name": "Conformance", "password": password})
    token = call(site, token, "POST", f"/api/v1/factors/totp/{begun['id']}/confirm", {"code": code(begun["secret"])})["token"]

    def send(method: str, path: str, body=None, form: bytes | None = None):
        return call(site, token, method, path, body, form)

    ids = fill(send, model)
    all_sessions = send("GET", "/api/v1/sessions")["items"]
    ids["sessions"] = [s["id"] for s in all_sessions if not s["current"]]
    me = send("GET", "/api/v1/me")
    own = [s["id"] for s in all_sessions if s["current"]] + [begun["id"], me["id"]]
    document = send("GET", "/api/openapi.json")
    state = {"site": site, "token": token, "seed": begun["secret"], "own": own, "ids": ids, "made": time.time()}
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "schemathesis.toml").write_text(bindings(document, ids))
    print(f"prepared {sum(map(len, ids.values()))} things of {len(ids)} kinds")


if __name__ == "__main__":
    main()
