"""Uses a server through the official clients, unmodified: `run.py SITE KEY_FILE READER_KEY_FILE`. Fails at the first thing that is not so.

The second key may list experts and nothing else. What the clients do not offer (reading a document's text) goes through the REST API.
"""

import base64
import json
import struct
import sys
import time
import urllib.request
from pathlib import Path

import anthropic
import openai

QUESTION = "How long does FDA review a traditional 510(k)?"
NOWHERE = "Which football club won the championship in Uruguay in 1987?"

site, key, reader = sys.argv[1], Path(sys.argv[2]).read_text().strip(), Path(sys.argv[3]).read_text().strip()
gpt = openai.OpenAI(base_url=f"{site}/v1", api_key=key, max_retries=0, timeout=60)
claude = anthropic.Anthropic(base_url=site, api_key=key, max_retries=0, timeout=60)


def text_of(document: str) -> bytes:
    request = urllib.request.Request(f"{site}/api/v1/documents/{document}/text", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
        return json.load(reply)["text"].encode()


def raises(kind: type, call, **parts) -> Exception:
    try:
        call()
    except kind as error:
        assert type(error) is kind, f"{type(error)} instead of {kind}"
        for name, value in parts.items():
            assert getattr(error, name) == value, f"{name} of {error!r} is {getattr(error, name)!r}"
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def once_ready(ask):
    """The starter library is still being read when a server is new: asks again for as long as there is too little evidence."""
    for _ in range(240):
        answer = ask()
        if answer.vital["state"] == "answered":
            return answer
        time.sleep(0.5)
    raise AssertionError("the starter library did not answer within two minutes")


def chat(question: str, **more):
    return gpt.chat.completions.create(model="auto", messages=[{"role": "user", "content": question}], **more)


def message(question: str, **more):
    return claude.messages.create(model="auto", max_tokens=1024, messages=[{"role": "user", "content": question}], **more)


def models() -> None:
    theirs = [m.id for m in gpt.models.list()]
    assert theirs[0] == "auto" and len(theirs) > 20, theirs
    assert [m.id for m in claude.models.list(limit=7)] == theirs, "pages join to the same list"
    assert gpt.models.retrieve(theirs[1]).id == theirs[1] == claude.models.retrieve(theirs[1]).id


def chat_completions() -> None:
    whole = once_ready(lambda: chat(QUESTION, temperature=0.2, user="somebody"))
    said = whole.choices[0].message
    assert whole.choices[0].finish_reason == "stop" and whole.usage.total_tokens == 0 and said.annotations, whole
    for annotation in said.annotations:
        link, citation = annotation.url_citation, annotation.citation
        assert said.content[link.start_index : link.end_index] == f"[{citation['n']}]"
        assert link.url.endswith("#cited") and citation["document_id"] in link.url and link.title == citation["title"]
        assert text_of(citation["document_id"])[citation["start"] : citation["end"]].decode() == citation["quote"]

    chunks = list(chat(QUESTION, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == said.content and chunks[-1].usage.total_tokens == 0 and not chunks[-1].choices
    with gpt.chat.completions.stream(model="auto", messages=[{"role": "user", "content": QUESTION}]) as stream:
        for _ in stream:
            pass
        added = stream.get_final_completion()
    assert added.choices[0].message.content == said.content and added.choices[0].finish_reason == "stop"
    assert len(added.choices[0].message.annotations) == len(said.annotations)

    history = [{"role": "user", "content": QUESTION}, said.model_dump(), {"role": "user", "content": "And a special one?"}]
    raw = gpt.chat.completions.with_raw_response.create(model="auto", messages=history)
    assert raw.parse().choices[0].message.content and raw.headers["x-turn-id"] and raw.headers["x-conversation-id"]
    again = chat("Why?", extra_headers={"x-conversation-id": raw.headers["x-conversation-id"]})
    assert again.vital["conversation_id"] == raw.headers["x-conversation-id"]
    nowhere = chat(NOWHERE)
    assert nowhere.vital["state"] == "no_evidence" and nowhere.choices[0].message.content and not nowhere.choices[0].message.annotations


def messages() -> None:
    whole = message(QUESTION)
    cited = [c for block in whole.content for c in block.citations or []]
    assert whole.stop_reason == "end_turn" and whole.role == "assistant" and cited, whole
    for c in cited:
        assert isinstance(c, anthropic.types.CitationCharLocation)
        assert text_of(c.document_id)[c.start_char_index : c.end_char_index].decode() == c.cited_text
    with claude.messages.stream(model="auto", max_tokens=1024, messages=[{"role": "user", "content": QUESTION}]) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "".join(b.text for b in whole.content) and [b.model_dump() for b in final.content] == [b.model_dump() for b in whole.content]
    assert final.stop_reason == "end_turn"
    # A reply can be sent back as it is.
    history = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": whole.content}, {"role": "user", "content": "Why?"}]
    assert claude.messages.create(model="auto", max_tokens=64, messages=history).content
    by_bearer = anthropic.Anthropic(base_url=site, auth_token=key, api_key=None, max_retries=0)
    assert by_bearer.messages.create(model="auto", max_tokens=64, messages=history[:1]).content


def embeddings() -> None:
    model = raises(openai.NotFoundError, lambda: gpt.embeddings.create(model="unknown", input="x")).message.split("`")[1]
    texts = ["The shelf life is 24 months.", "How long can it be stored?", "The committee elected a chair."]
    packed = gpt.embeddings.create(model=model, input=texts)
    plain = gpt.embeddings.create(model=model, input=texts, encoding_format="float")
    raw = gpt.embeddings.create(model=model, input=texts[0], encoding_format="base64").data[0].embedding
    numbers = struct.unpack("<384f", base64.b64decode(raw)) if isinstance(raw, str) else raw
    for a, b in zip(packed.data, plain.data, strict=True):
        assert len(a.embedding) == len(b.embedding) == 384
        assert max(abs(x - y) for x, y in zip(a.embedding, b.embedding)) < 1e-5
    assert max(abs(x - y) for x, y in zip(numbers, plain.data[0].embedding)) < 1e-2
    near, far = (sum(x * y for x, y in zip(plain.data[0].embedding, plain.data[n].embedding)) for n in (1, 2))
    assert near > far and packed.usage.prompt_tokens > 15, (near, far)
    raises(openai.BadRequestError, lambda: gpt.embeddings.create(model=model, input=[1, 2, 3]), code="embedding.tokens")


def failures() -> None:
    ask = [{"role": "user", "content": QUESTION}]
    stranger, limited = gpt.with_options(api_key="vital_pk_wrong"), gpt.with_options(api_key=reader)
    raises(openai.AuthenticationError, stranger.models.list, code="invalid_api_key")
    raises(openai.PermissionDeniedError, lambda: limited.chat.completions.create(model="auto", messages=ask), code="access.scope")
    raises(openai.NotFoundError, lambda: gpt.chat.completions.create(model="gpt-4o", messages=ask), code="model_not_found")
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    raises(openai.BadRequestError, lambda: chat(QUESTION, tools=tools), code="parameter.unsupported", param="tools")
    raises(openai.BadRequestError, lambda: chat(QUESTION, n=2), code="parameter.unsupported", param="n")
    raises(openai.APIStatusError, lambda: chat("x" * 20_000), status_code=413, code="context_length_exceeded")
    strange = claude.with_options(api_key="vital_pk_wrong")
    raises(anthropic.AuthenticationError, lambda: strange.messages.create(model="auto", max_tokens=1, messages=ask))
    raises(anthropic.NotFoundError, lambda: claude.messages.create(model="claude", max_tokens=1, messages=ask))
    raises(anthropic.BadRequestError, lambda: message(QUESTION, system="Speak French."))
    raises(anthropic.RequestTooLargeError, lambda: message("x" * 20_000))


for part in (models, chat_completions, messages, embeddings, failures):
    began = time.monotonic()
    part()
    print(f"{part.__name__:<18} {time.monotonic() - began:6.1f} s")
