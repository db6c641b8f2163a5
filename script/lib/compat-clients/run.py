"""Uses a server through the official clients, unmodified: `run.py SITE KEY_FILE READER_KEY_FILE DIRECT_KEY_FILE`. Fails at the first thing
that is not so.

The second key may list experts and nothing else, the third may use the models that `direct_model.py` has set up. What the clients do not
offer (reading a document's text) goes through the REST API.
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

site = sys.argv[1]
key, reader, direct_key = (Path(path).read_text().strip() for path in sys.argv[2:5])
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


def responses() -> None:
    whole = gpt.responses.create(model="auto", input=QUESTION)
    assert whole.status == "completed" and whole.output[0].content[0].annotations and "[1]" in whole.output_text, whole
    with gpt.responses.stream(model="auto", input=[{"role": "user", "content": QUESTION}]) as stream:
        added = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert added == final.output_text == whole.output_text and len(final.output[0].content[0].annotations) == len(whole.output[0].content[0].annotations)
    again = gpt.responses.create(model="auto", input="And a special one?", previous_response_id=whole.id, instructions="Be brief.")
    assert again.vital["conversation_id"] == whole.vital["conversation_id"] and again.vital["ignored"] == ["system"]
    raises(openai.NotFoundError, lambda: gpt.responses.create(model="auto", input="Why?", previous_response_id="resp_1"), code="response.unknown")


def system_messages() -> None:
    given = [{"role": "system", "content": "Speak French."}, {"role": "user", "content": QUESTION}]
    raw = gpt.chat.completions.with_raw_response.create(model="auto", messages=given)
    assert raw.headers["x-vital-ignored"] == "system" and raw.parse().vital["ignored"] == ["system"]
    assert "ignored" not in chat(QUESTION).vital
    assert message(QUESTION, system="Speak French.").vital["ignored"] == ["system"]


WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def direct_models() -> None:
    openai_direct, anthropic_direct = gpt.with_options(api_key=direct_key), claude.with_options(api_key=direct_key)
    name = "models/scripted/model-1"
    assert [m.id for m in openai_direct.models.list()] == [name] == [m.id for m in anthropic_direct.models.list()]
    assert openai_direct.models.retrieve(name).id == name
    hello = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
    whole = openai_direct.chat.completions.create(model=name, messages=hello, temperature=0.1, max_tokens=64, stop=["END"], seed=1)
    said = whole.choices[0].message.content
    assert said == "You said: Hello." and whole.usage.total_tokens == 7 and whole.vital["bound_to_sources"] is False, whole
    chunks = list(openai_direct.chat.completions.create(model=name, messages=hello, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == said and chunks[-1].usage.total_tokens == 7

    tools = [{"type": "function", "function": {"name": "weather", "description": "Now.", "parameters": WEATHER}}]
    asked = [{"role": "user", "content": "How is the weather?"}]
    first = openai_direct.chat.completions.create(model=name, messages=asked, tools=tools, tool_choice="required").choices[0]
    assert first.finish_reason == "tool_calls" and json.loads(first.message.tool_calls[0].function.arguments) == {"city": "Bern"}
    with openai_direct.chat.completions.stream(model=name, messages=asked, tools=tools) as stream:
        for _ in stream:
            pass
        added = stream.get_final_completion().choices[0].message
    assert added.tool_calls[0].function.name == "weather" and added.tool_calls[0].function.arguments == first.message.tool_calls[0].function.arguments
    result = {"role": "tool", "tool_call_id": first.message.tool_calls[0].id, "content": "18 degrees"}
    end = openai_direct.chat.completions.create(model=name, messages=[*asked, first.message, result], tools=tools)
    assert end.choices[0].message.content == "The tool said: 18 degrees"
    schema = {"type": "json_schema", "json_schema": {"name": "o", "schema": {"type": "object"}, "strict": True}}
    assert json.loads(openai_direct.chat.completions.create(model=name, messages=hello, response_format=schema).choices[0].message.content) == {"ok": True}

    theirs = [{"name": "weather", "description": "Now.", "input_schema": WEATHER}]
    call = anthropic_direct.messages.create(model=name, max_tokens=64, messages=asked, tools=theirs)
    assert call.stop_reason == "tool_use" and call.content[-1].input == {"city": "Bern"}, call
    result = [{"type": "tool_result", "tool_use_id": call.content[-1].id, "content": "18 degrees"}]
    history = [*asked, {"role": "assistant", "content": call.content}, {"role": "user", "content": result}]
    with anthropic_direct.messages.stream(model=name, max_tokens=64, messages=history, tools=theirs, system="Be brief.") as stream:
        final = stream.get_final_message()
    assert final.content[0].text == "The tool said: 18 degrees" and final.stop_reason == "end_turn" and final.usage.output_tokens == 4

    raises(openai.NotFoundError, lambda: openai_direct.chat.completions.create(model="models/other", messages=hello), code="model_not_found")
    raises(openai.PermissionDeniedError, lambda: gpt.chat.completions.create(model=name, messages=hello), code="access.denied")
    long = [{"role": "user", "content": "TOO LONG"}]
    raises(openai.BadRequestError, lambda: openai_direct.chat.completions.create(model=name, messages=long), code="context_length_exceeded")
    limited = [{"role": "user", "content": "TOO OFTEN"}]
    error = raises(openai.RateLimitError, lambda: openai_direct.chat.completions.create(model=name, messages=limited), code="rate_limit_exceeded")
    assert error.response.headers["retry-after"] == "120" and error.response.headers["x-should-retry"] == "true"
    raises(anthropic.RateLimitError, lambda: anthropic_direct.messages.create(model=name, max_tokens=1, messages=limited))


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
    # Clients of their own: who is refused before the body was read may lose the connection, and nothing here is tried again.
    stranger, limited = (openai.OpenAI(base_url=f"{site}/v1", api_key=k, max_retries=0, timeout=60) for k in ("vital_pk_wrong", reader))
    raises(openai.AuthenticationError, stranger.models.list, code="invalid_api_key")
    raises(openai.PermissionDeniedError, lambda: limited.chat.completions.create(model="auto", messages=ask), code="access.scope")
    raises(openai.NotFoundError, lambda: gpt.chat.completions.create(model="gpt-4o", messages=ask), code="model_not_found")
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    raises(openai.BadRequestError, lambda: chat(QUESTION, tools=tools), code="parameter.unsupported", param="tools")
    raises(openai.BadRequestError, lambda: chat(QUESTION, n=2), code="parameter.unsupported", param="n")
    raises(openai.APIStatusError, lambda: chat("x" * 20_000), status_code=413, code="context_length_exceeded")
    strange = anthropic.Anthropic(base_url=site, api_key="vital_pk_wrong", max_retries=0, timeout=60)
    raises(anthropic.AuthenticationError, lambda: strange.messages.create(model="auto", max_tokens=1, messages=ask))
    raises(anthropic.NotFoundError, lambda: claude.messages.create(model="claude", max_tokens=1, messages=ask))
    raises(anthropic.RequestTooLargeError, lambda: message("x" * 20_000))


for part in (models, chat_completions, messages, responses, system_messages, direct_models, embeddings, failures):
    began = time.monotonic()
    part()
    print(f"{part.__name__:<18} {time.monotonic() - began:6.1f} s")
