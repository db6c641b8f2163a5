// What the conversation page costs on the wire when nothing is cached.
import assert from "node:assert/strict";
import { ask, ended } from "../lib/app.mjs";
import { Visitor } from "../lib/browser.mjs";

/** Largest transfer of the page with everything it loads, compressed, headers included, in bytes. */
const TRANSFER_BYTES_MAX = 60_000;

export default async function budget(step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = visitor;
  await page.goto("/");
  await ended(await ask(page, "When is a 7-day IND safety report due, and when does the clock start?"));
  const address = new URL(page.url()).pathname;
  const wire = await visitor.context.newCDPSession(page);
  await wire.send("Network.enable");
  await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
  const sizes = new Map();
  const paths = new Map();
  wire.on("Network.requestWillBeSent", ({ requestId, request }) => paths.set(requestId, new URL(request.url).pathname));
  wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
  await page.goto(address, { waitUntil: "networkidle" });
  let total = 0;
  for (const [id, bytes] of sizes) {
    total += bytes;
    step.say(`${String(bytes).padStart(7)} B  ${paths.get(id)}`);
  }
  step.say(`${String(total).padStart(7)} B  the conversation page in all, of ${TRANSFER_BYTES_MAX} B allowed`);
  assert.ok(sizes.size >= 4, "page, style and scripts were counted");
  assert.ok(total <= TRANSFER_BYTES_MAX, `the conversation page takes ${total} B on the wire, more than ${TRANSFER_BYTES_MAX}`);
  await visitor.leave();
}
