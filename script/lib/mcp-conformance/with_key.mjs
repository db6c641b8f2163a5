// Stands before a server and adds an API key to each request, since the conformance suite cannot send one:
// `node with_key.mjs http://127.0.0.1:PORT KEY_FILE` prints the address that the suite is given. Everything else passes as it is.
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";

const [site, keyFile] = process.argv.slice(2);
const key = readFileSync(keyFile, "utf8").trim();
const target = new URL(site);

const server = createServer((incoming, outgoing) => {
  const headers = { ...incoming.headers, authorization: `Bearer ${key}` };
  const { hostname, port } = target;
  const forwarded = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, (reply) => {
    outgoing.writeHead(reply.statusCode, reply.headers);
    reply.pipe(outgoing);
  });
  forwarded.on("error", () => outgoing.destroy());
  outgoing.on("close", () => forwarded.destroy());
  incoming.pipe(forwarded);
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
