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

  #answer(request, response) {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    const stream = {
      key: request.headers.authorization,
      write: (text) => response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`),
      end: (usage) => {
        const end = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
        const counted = usage && { choices: [], usage: { prompt_tokens: usage.read, completion_tokens: usage.written, total_tokens: usage.read + usage.written } };
        const frames = [end, counted].filter(Boolean).map((frame) => `data: ${JSON.stringify(frame)}\n\n`);
        response.end(`${frames.join("")}data: [DONE]\n\n`);
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
