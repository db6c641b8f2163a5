"""Judges the findings of testssl: nothing above LOW, nothing that could not be tested, and what has to be offered is offered."""

import json
import sys

FINE = {"OK", "INFO", "LOW", "DEBUG"}
# What is no fault, by the exact words of the finding: each is about this test, or is meant to be so.
EXPLAINED = {
    "engine_problem": "No engine or GOST support via engine with your /usr/bin/openssl",  # about the openssl beside testssl
    "HTTP_status_code": "Unexpected 303 See Other @ '/'",  # who is not signed in is led to the sign-in page
    "sessionresumption_ticket": "check failed because of connect problem",  # TLS 1.2 gives no tickets, which the check cannot handle
}
OFFERED = {"TLS1_3": True, "TLS1_2": True, "TLS1_1": False, "TLS1": False, "SSLv3": False, "SSLv2": False}


def main(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        findings = json.load(file)
    faults = []
    by_id = {finding["id"]: finding for finding in findings}
    for finding in findings:
        if finding["severity"] not in FINE and EXPLAINED.get(finding["id"]) != finding["finding"]:
            faults.append(f"{finding['severity']:8} {finding['id']}: {finding['finding']}")
    for name, offered in OFFERED.items():
        said = by_id.get(name, {}).get("finding", "not tested")
        if said.startswith("not offered") == offered or said == "not tested":
            faults.append(f"{'PROTOCOL':8} {name}: {said}")
    if "scanTime" not in by_id:
        faults.append("UNFINISHED the scan did not come to its end")
    low = [f"{finding['id']}: {finding['finding']}" for finding in findings if finding["severity"] == "LOW"]
    for line in faults:
        print(line)
    print(f"{len(findings)} findings, {len(faults)} above LOW, {len(low)} LOW ({'; '.join(low) or 'none'}), {by_id.get('scanTime', {}).get('finding', '?')} s")
    return 1 if faults else 0


sys.exit(main(sys.argv[1]))
