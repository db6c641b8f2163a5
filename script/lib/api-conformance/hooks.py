"""What schemathesis needs to know of this API: who asks, and what the run must not take away from itself. Reads FOLDER/state.json.

`VITAL_CONFORMANCE` names that folder. Every reply is counted into `FOLDER/replies.json`, for the figures at the end.
"""

import atexit
import json
import os
import threading
import time
import uuid
import zlib
from collections import Counter
from pathlib import Path

import schemathesis

import prepare

FOLDER = Path(os.environ["VITAL_CONFORMANCE"])
STATE = json.loads((FOLDER / "state.json").read_text())
OWN = set(STATE["own"])
KEPT = {one for ids in STATE["ids"].values() for one in ids[: (len(ids) + 1) // 2]}
"""Half of what is there is never deleted, so that there is something to ask for until the end."""
STEP_UP_S = 180
"""A second factor counts for five minutes."""
CHANGES = {"DELETE", "POST", "PATCH", "PUT"}
lock = threading.Lock()
replies: Counter = Counter()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Every status has to be described by itself: the catch-all would cover any."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].pop("default", None)


@schemathesis.auth(refresh_interval=20)
class Administrator:
    """The session of an administrator, with a second factor that was proven a short while ago."""

    token, proven = STATE["token"], STATE["made"]

    def get(self, case, context):
        with lock:
            if time.time() - Administrator.proven > STEP_UP_S:
                proof = {"proof": {"totp": prepare.code(STATE["seed"])}}
                reply = prepare.call(STATE["site"], Administrator.token, "POST", "/api/v1/session/step-up", proof)
                Administrator.token, Administrator.proven = reply["token"], time.time()
                (FOLDER / "state.json").write_text(json.dumps({**STATE, "token": Administrator.token, "made": Administrator.proven}))
            return Administrator.token

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def map_case(context, case):
    """A made-up cursor or condition is always refused, so most requests that are to be right come without one."""
    if case.meta is not None and case.meta.generation.mode.is_positive:
        for container, name in ((case.query, "cursor"), (case.headers, "If-Match")):
            if container and name in container and zlib.crc32(str(container[name]).encode()) % 5:
                del container[name]
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    """The administrator, their session and their second factor stay: another id stands for them where something is changed or ended."""
    method = case.method.upper()
    for name, value in list((case.path_parameters or {}).items()):
        if (method in CHANGES and value in OWN) or (method == "DELETE" and value in KEPT):
            case.path_parameters[name] = str(uuid.uuid4())


@schemathesis.hook
def after_call(context, case, response):
    with lock:
        replies[f"{case.method.upper()} {case.path}", response.status_code] += 1


@atexit.register
def keep() -> None:
    by_operation: dict[str, dict[str, int]] = {}
    for (operation, status), count in sorted(replies.items()):
        by_operation.setdefault(operation, {})[str(status)] = count
    (FOLDER / "replies.json").write_text(json.dumps(by_operation, indent=1))
