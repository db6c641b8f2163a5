// A scripted tool server on the loopback: it speaks the Model Context Protocol and tells the tools that a journey gives it.
import { once } from "node:events";
import { createServer } from "node:http";

const SCHEMA = { type: "object", properties: { text: { type: "string", description: "What to look for" } }, required: ["text"] };

/** A tool with one argument. */
export const tool = (name, description, more = {}) => ({ name, description, inputSchema: SCHEMA, ...more });

export class ScriptedToolServer {
  static async create(tools) {
    const server = new ScriptedToolServer();
    server.tools = tools;
    server.keys = [];
    server.calls = [];
    server.http = createServer((request, response) => server.#answer(request, response)).listen(0, "127.0.0.1");
    await once(server.http, "listening");
    server.address = `http://127.0.0.1:${server.http.address().port}/mcp`;
    return server;
  }

  async #answer(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    if (request.method !== "POST") return response.writeHead(204).end();
    this.keys.push(request.headers.authorization);
    const { id, method, params } = JSON.parse(Buffer.concat(pieces).toString());
    if (id === undefined) return response.writeHead(202).end();
    const results = {
      initialize: () => ({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "Corvane notebook", version: "4.2" } }),
      "tools/list": () => ({ tools: this.tools }),
      "tools/call": () => this.calls.push(params.arguments) && ({ content: [{ type: "text", text: `Nothing about ${params.arguments.text}.` }] }),
    };
    response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "journey" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: results[method]() }));
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}
