"""A tool server made with the official Python package of the Model Context Protocol: streamable HTTP with sessions, on the loopback.

Answers come as an event stream, or as JSON with `json` as the second argument. The first is the port.
"""

import sys

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("Official tools", version="1")


class Entry(BaseModel):
    """An entry of a notebook."""

    title: str
    pages: int


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def add(a: int, b: int) -> int:
    """Adds two whole numbers."""
    return a + b


@server.tool()
def entry(title: str) -> Entry:
    """Makes an entry."""
    return Entry(title=title, pages=2)


@server.tool()
def fails() -> str:
    """Fails."""
    raise ToolError("the notebook is closed")


@server.tool()
async def talks(ctx: Context) -> str:
    """Reports progress before it answers."""
    for step in range(3):
        await ctx.report_progress(step, 3)
    return "done"


server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]), json_response=sys.argv[2:] == ["json"])
