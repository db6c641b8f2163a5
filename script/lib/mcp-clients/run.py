"""Uses a server through the official client, unmodified: `run.py SITE VITAL KEY_FILE READER_KEY_FILE`. Fails at the first thing that is not so.

The second key may list experts and nothing else.
"""

import asyncio
import sys
import time
from pathlib import Path

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

QUESTION = "How long does FDA review a traditional 510(k)?"
ALL_TOOLS = ["list_experts", "ask_expert", "search_documents", "read_document"]
CALCULATORS = ["calculate", "date_arithmetic", "sample_size_two_means", "sample_size_two_proportions", "two_by_two"]

site, vital = sys.argv[1], sys.argv[2]
key, reader = (Path(path).read_text().strip() for path in sys.argv[3:5])


def over_http(token: str):
    """A transport with a token. The client is made outside of a proxy's reach: the server is on this machine."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)
    return streamable_http_client(f"{site}/mcp", http_client=http)


def over_stdio(token: str):
    return StdioServerParameters(command=vital, args=["mcp", "--url", site], env={"VITAL_TOKEN": token})


async def once_ready(client: Client) -> dict:
    """The starter library is still being read when a server is new: asks again for as long as there is too little evidence."""
    for _ in range(240):
        asked = await client.call_tool("ask_expert", {"question": QUESTION})
        assert not asked.is_error, asked.content
        if asked.structured_content["state"] == "answered":
            return asked.structured_content
        await asyncio.sleep(0.5)
    raise AssertionError("the starter library did not answer within two minutes")


async def everything(name: str, transport, mode: str) -> None:
    began = time.monotonic()
    async with Client(transport, mode=mode, read_timeout_seconds=60) as client:
        revision = client.session.protocol_version
        assert (revision < "2026") == (mode == "legacy"), revision
        assert [tool.name for tool in (await client.list_tools()).tools] == ALL_TOOLS + CALCULATORS
        assert (await client.call_tool("calculate", {"expression": "2.5 g / 125 mg"})).structured_content["value"] == 20
        experts = (await client.call_tool("list_experts", {})).structured_content["experts"]
        assert len(experts) > 20, experts
        await once_ready(client)

        told = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            told.append((done, message))

        asked = await client.call_tool("ask_expert", {"question": QUESTION, "expert": "auto"}, progress_callback=progress)
        answer = asked.structured_content
        assert not asked.is_error and answer["state"] == "answered", asked
        assert "[1]" in answer["text"] and "Sources:" in asked.content[0].text, answer["text"]
        assert len(told) >= 3 and [n for n, _ in told] == sorted(n for n, _ in told), told
        assert answer["confidence"]["score"] > 0 and answer["citations"], answer
        for citation in answer["citations"]:
            assert citation["title"] and citation["url"].startswith("http") and citation["verdict"] == "supported", citation
            length = citation["end"] - citation["start"]
            part = {"document": citation["document"], "start": citation["start"], "length": length}
            read = (await client.call_tool("read_document", part)).structured_content
            assert read["text"] == citation["quote"], (read, citation)
            uri = f"vital://documents/{citation['document']}?start={citation['start']}&length={length}"
            assert (await client.read_resource(uri)).contents[0].text == citation["quote"]
        found = (await client.call_tool("search_documents", {"query": QUESTION, "limit": 3})).structured_content["hits"]
        assert 0 < len(found) <= 3, found

        wrong = await client.call_tool("read_document", {"document": "00000000-0000-0000-0000-000000000000"})
        assert wrong.is_error and "no such document" in wrong.content[0].text, wrong
        uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
        assert any(uri.startswith("vital://experts/") for uri in uris) and any(uri.startswith("vital://documents/") for uri in uris), uris
        prompt = (await client.list_prompts()).prompts[0]
        got = await client.get_prompt(prompt.name, {"question": QUESTION})
        assert got.messages[0].content.text.endswith(QUESTION), got
    print(f"{name}, revision {revision}: answered with {len(answer['citations'])} citations and {len(told)} notices in {time.monotonic() - began:.1f} s")


async def reads_only(transport) -> None:
    async with Client(transport, read_timeout_seconds=30) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["list_experts"]
        refused = await client.call_tool("ask_expert", {"question": QUESTION})
        assert refused.is_error, refused


async def refused(name: str, transport) -> None:
    try:
        async with Client(transport, mode="legacy", read_timeout_seconds=30) as client:
            await client.list_tools()
    except BaseException as error:  # noqa: BLE001 (the transports wrap their failures in groups)
        print(f"{name}: a bad key is refused ({type(error).__name__})")
        return
    raise AssertionError(f"{name} let a bad key in")


async def main() -> None:
    for name, transport in (("streamable HTTP", over_http), ("stdio", over_stdio)):
        for mode in ("legacy", "auto"):
            await everything(name, transport(key), mode)
        await reads_only(transport(reader))
        await refused(name, transport("vk_wrong"))


asyncio.run(main())
