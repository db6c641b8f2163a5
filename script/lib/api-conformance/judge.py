"""Tells whether a run was one: `judge.py FOLDER LEFT_OUT`. Every described operation but those that were left out by name was tested, and most of
them answered with a success at least once; a run whose session had ended would pass every check and say nothing.
"""

import json
import sys
from pathlib import Path

NEVER = {
    "POST /api/v1/factors/passkey": "needs an authenticator",
    "POST /api/v1/session": "needs a password",
    "POST /api/v1/session/passkey": "needs an authenticator",
    "POST /api/v1/session/second-factor": "needs a code",
    "POST /api/v1/session/step-up": "needs a code",
    "POST /api/v1/session/step-up/options": "needs a passkey",
    "POST /api/v1/factors/totp/{id}/confirm": "needs a code",
    "POST /api/v1/password/reset": "needs a link",
    "PUT /api/v1/password": "needs the password",
}
"""What made-up requests cannot succeed at."""
SHARE_MIN = 0.75
"""Of all other operations, the share that has to have succeeded at least once."""


def main() -> None:
    folder, left_out = Path(sys.argv[1]), int(sys.argv[2])
    report = json.loads((folder / "report.json").read_text())
    replies = json.loads((folder / "replies.json").read_text())
    operations, cases = report["operations"], report["test_cases"]
    tested = {f"{method} {path}" for method, path in (name.split(" ", 1) for name in replies)}
    document = json.loads((folder / "openapi.json").read_text())
    described = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    missing = sorted(described - tested)
    assert operations["total"] == len(described) and len(missing) <= left_out, f"not tested: {missing}"
    possible = described - set(NEVER) - set(missing)
    succeeded = {name for name in possible if any(status.startswith("2") for status in replies[name])}
    share = len(succeeded) / len(possible)
    (folder / "never.json").write_text(json.dumps({name: replies[name] for name in sorted(possible - succeeded)}))
    print(f"{len(described) - len(missing)} of {len(described)} operations, {cases['generated']} requests, as described; {len(succeeded)} succeeded at least once")
    assert share >= SHARE_MIN, f"only {share:.0%} of the operations ever succeeded; not these: {sorted(possible - succeeded)}"


if __name__ == "__main__":
    main()
