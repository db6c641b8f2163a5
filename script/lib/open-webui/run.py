"""What a person does in Open WebUI, by its own interface: `run.py ADDRESS`. Fails at the first thing that is not so."""

import json
import re
import sys
import time
import urllib.error
import urllib.request

QUESTION = "How long does FDA review a traditional 510(k)?"
site = sys.argv[1]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
token = ""


def send(path: str, body: dict | None = None) -> bytes:
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    with opener.open(urllib.request.Request(site + path, data, headers), timeout=120) as reply:
        return reply.read()


def patiently(what: str, attempt, seconds: int):
    until = time.monotonic() + seconds
    while True:
        try:
            found = attempt()
        except (OSError, urllib.error.URLError):
            found = None
        if found:
            return found
        if time.monotonic() > until:
            sys.exit(f"waited {seconds} s in vain: {what}")
        time.sleep(0.5)


began = time.monotonic()
patiently("Open WebUI", lambda: send("/health"), 600)
print(f"started            {time.monotonic() - began:6.1f} s")
token = json.loads(send("/api/v1/auths/signin", {"email": "", "password": ""}))["token"]

models = [m["id"] for m in json.loads(send("/api/models"))["data"]]
experts = [m for m in models if m in ("auto", "regulatory-affairs") or "-" in m]
assert "auto" in models and len(experts) > 20, models
print(f"experts listed     {len(experts):6}")


def chat(**more) -> bytes:
    return send("/api/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": QUESTION}], **more})


def answered():
    """The starter library is still being read when a server is new."""
    reply = json.loads(chat(stream=False))
    text = reply["choices"][0]["message"]["content"]
    return reply if re.search(r"\[\d+\]", text) else None


whole = patiently("an answer with citation marks", answered, 120)["choices"][0]["message"]
assert "[1]" in whole["content"] and whole["annotations"][0]["url_citation"]["url"].endswith("#cited"), whole
print(f"citations          {len(whole['annotations']):6}")

frames = [line[6:] for line in chat(stream=True).decode().splitlines() if line.startswith("data: ") and line != "data: [DONE]"]
deltas = [c["choices"][0]["delta"] for c in map(json.loads, frames) if c.get("choices")]
assert "".join(d.get("content") or "" for d in deltas) == whole["content"], "a streamed answer adds up to the whole one"
print(f"frames streamed    {len(frames):6}")
