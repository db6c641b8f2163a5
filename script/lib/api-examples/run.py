"""Runs the `curl` examples of a page against a server: `run.py PAGE SITE KEY_FILE`. Fails where one does not get a status that it claims.

An example is a `sh` block with `curl` in it. Each such command says in a comment at its end which status it gets (`# 201`, or `# 200, or 412`).
All of them run in one shell, in the order of the page, in an empty folder: a block can use what one before it set.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CLAIM = re.compile(r"#\s*(\d{3}(?:,? or \d{3})*)\b[^#]*$")
TOOLS = r"""
set -euo pipefail
claimed() {
    local line=$1 said; shift 2
    said=$(mktemp)
    command curl --max-time 60 --write-out '%{stderr}%{http_code}' "${@//https:\/\/vital.example/$SITE}" 2>"$said" || true
    printf '%s %s\n' "$line" "$(tail -c 3 "$said")" >>"$REPLIES"
}
"""


def commands(page: str) -> tuple[str, dict[int, set[int]]]:
    """The examples as one shell script, and by the number of its line what each command claims."""
    script, claims, inside, block, start = [TOOLS], {}, False, [], 0
    for number, line in enumerate(page.splitlines(), 1):
        if inside and line.startswith("```"):
            if any("curl " in one for one in block):
                script += claimed(block, start, claims)
            inside = False
        elif inside:
            block.append(line)
        elif line == "```sh":
            inside, block, start = True, [], number + 1
    return "\n".join(script) + "\n", claims


def claimed(block: list[str], start: int, claims: dict[int, set[int]]) -> list[str]:
    lines, first = [], 0
    for at, line in enumerate(block):
        if line.rstrip().endswith("\\") and at + 1 < len(block):
            continue
        command = "\n".join(block[first : at + 1])
        number, first = start + first, at + 1
        if re.search(r"\bcurl ", command.split("#")[0] if command.lstrip().startswith("#") else command):
            claim = CLAIM.search(command)
            if claim is None:
                raise SystemExit(f"error: the example in line {number} does not say which status it gets")
            claims[number] = {int(status) for status in re.findall(r"\d{3}", claim[1])}
            command = re.sub(r"\bcurl ", f"claimed {number} curl ", command)
        lines.append(command)
    return lines


def main() -> None:
    page, site, key = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_text().strip()
    script, claims = commands(page.read_text())
    with tempfile.TemporaryDirectory() as folder:
        replies = Path(folder) / "replies"
        replies.touch()
        (Path(folder) / "examples").mkdir()
        environment = {**os.environ, "SITE": site, "KEY": key, "REPLIES": str(replies)}
        ran = subprocess.run(["bash", "-c", script], cwd=Path(folder) / "examples", env=environment, capture_output=True, text=True)
        got: dict[int, list[int]] = {}
        for line in replies.read_text().splitlines():
            number, status = line.split()
            got.setdefault(int(number), []).append(int(status))
    wrong = [f"line {n}: {s} instead of {sorted(claims[n])}" for n, all_of in sorted(got.items()) for s in all_of if s not in claims[n]]
    wrong += [f"line {n}: did not run" for n in claims if n not in got]
    if ran.returncode != 0:
        wrong.append(f"the examples ended with {ran.returncode}: {ran.stderr[-2000:]}{ran.stdout[-500:]}")
    if wrong or not claims:
        raise SystemExit(f"error: {page}: " + ("\n".join(wrong) or "no examples"))
    print(f"{len(claims)} examples of {page} gave what they claim, in {sum(map(len, got.values()))} requests")


if __name__ == "__main__":
    main()
