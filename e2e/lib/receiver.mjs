// A scripted receiver of webhooks: keeps what it is sent and answers with the status it is told to, on the loopback.
import { once } from "node:events";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";

export class ScriptedReceiver {
  static async create() {
    const receiver = new ScriptedReceiver();
    receiver.messages = [];
    receiver.waiting = [];
    receiver.status = 204;
    receiver.http = createServer((request, response) => receiver.#take(request, response)).listen(0, "127.0.0.1");
    await once(receiver.http, "listening");
    receiver.url = `http://127.0.0.1:${receiver.http.address().port}/hook?token=corvane`;
    return receiver;
  }

  async #take(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.writeHead(this.status).end();
    const message = { headers: request.headers, body: Buffer.concat(parts).toString() };
    const waiter = this.waiting.shift();
    if (waiter) waiter(message); else this.messages.push(message);
  }

  /** The next message. */
  next() {
    const ready = this.messages.shift();
    return ready ? Promise.resolve(ready) : new Promise((resolve) => this.waiting.push(resolve));
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

/** Whether a message is signed with a secret, as the specification says. */
export function isSigned({ headers, body }, secret) {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const right = createHmac("sha256", key).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`).digest("base64");
  return headers["webhook-signature"].split(" ").includes(`v1,${right}`);
}
