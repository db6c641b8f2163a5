"""Runs scim2-tester against a server and prints its findings as a table: `run.py BASE_URL KEY_FILE`. Fails on anything but success."""

import sys
from collections import Counter
from pathlib import Path

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

# Fewer checks than this and the tester did not find all that the server offers.
CHECKS_MIN = 64

base, key = sys.argv[1], Path(sys.argv[2]).read_text().strip()
http = Client(base_url=base, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30)
results = check_server(SyncSCIMClient(http))

rows = Counter((r.resource_type or "-", r.title, r.status.name) for r in results)
print(f"{'resource':<24} {'check':<44} {'status':<10} times")
for (resource, title, status), times in sorted(rows.items()):
    print(f"{resource:<24} {title:<44} {status:<10} {times:>5}")
print(", ".join(f"{n} {status}" for status, n in sorted(Counter(r.status.name for r in results).items())))

bad = [r for r in results if r.status is not Status.SUCCESS]
for r in bad:
    print(f"\n{r.status.name} {r.resource_type or ''} {r.title}: {r.reason}\n{str(r.data)[:600]}", file=sys.stderr)
if len(results) < CHECKS_MIN:
    print(f"only {len(results)} checks were made; at least {CHECKS_MIN} are expected", file=sys.stderr)
sys.exit(1 if bad or len(results) < CHECKS_MIN else 0)
