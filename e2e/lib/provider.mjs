// A provider that writes when it is told to: chat completions as an event stream, from the loopback, one piece at a time.
import { once } from "node:events";
import { createServer } from "node:http";

export class ScriptedProvider {
  static async create() {
    const provider = new ScriptedProvider();
    provider.streams = [];
    provider.waiting = [];
    provider.http = createServer((request, response) => provider.#answer(request, response)).listen(0, "127.0.0.1");
    await once(provider.http, "listening");
    provider.address = `http://127.0.0.1:${provider.http.address().port}/v1`;
    provider.config = `[provider]\nformat = "openai"\nmodel = "scripted"\nbase_url = "${provider.address}"\n`;
    return provider;
  }

  async #answer(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const say = (delta, finish_reason) => response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    const end = (reason) => { say({}, reason); response.end("data: [DONE]\n\n"); };
    const stream = {
      key: request.headers.authorization,
      asked: JSON.parse(Buffer.concat(pieces).toString()),
      write: (content) => say({ content }),
      /** Calls a tool instead of answering. */
      call(name, given) {
        say({ tool_calls: [{ index: 0, id: "call-1", type: "function", function: { name, arguments: JSON.stringify(given) } }] });
        end("tool_calls");
      },
      end: (usage) => {
        if (!usage) return end("stop");
        say({}, "stop");
        const counted = { prompt_tokens: usage.read, completion_tokens: usage.written, total_tokens: usage.read + usage.written };
        response.end(`data: ${JSON.stringify({ choices: [], usage: counted })}\n\ndata: [DONE]\n\n`);
      },
      closed: once(response, "close"),
    };
    const waiter = this.waiting.shift();
    if (waiter) waiter(stream); else this.streams.push(stream);
  }

  /** The next request for an answer. */
  next() {
    const ready = this.streams.shift();
    return ready ? Promise.resolve(ready) : new Promise((resolve) => this.waiting.push(resolve));
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}
