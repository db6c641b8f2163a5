// Broken connections and reloads in the middle of an answer: nothing is lost, nothing comes twice.
import assert from "node:assert/strict";
import { ask, ended } from "../lib/app.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { Wire } from "../lib/wire.mjs";

const QUESTION = "What are the five attributes of an estimand under ICH E9(R1)?";
const SENTENCES = ["First the population is named [1].", "Then the variable is named [1].", "Last comes the summary measure [1]."];

export default async function resume(step, world) {
  const wire = await Wire.to(world.server.port);
  const storageState = structuredClone(world.session);
  const visitor = await Visitor.create(world.browser, wire.origin, { storageState });
  try {
    await step.test("the connection breaks", () => broken(visitor, world, wire));
    await step.test("the page is loaded again", () => reloaded(visitor.page, world));
  } finally {
    await visitor.leave();
    wire.close();
  }
}

/** The answer as read, without the numbers of its sources. */
const words = (turn) => turn.locator(".answer").evaluate((answer) => {
  const copy = answer.cloneNode(true);
  for (const extra of copy.querySelectorAll(".cite, .flag")) extra.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
});
const whole = SENTENCES.map((sentence) => sentence.replace(" [1]", "")).join(" ");

async function broken(visitor, world, wire) {
  const { page } = visitor;
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  const stream = await world.provider.next();
  stream.write(`${SENTENCES[0]} Then the`);
  await turn.getByText("Then the").waitFor();
  await visitor.allowing(/^failed GET \/api\/v1\/turns\//, async () => {
    wire.cut();
    stream.write(` ${SENTENCES[1].slice("Then the ".length)} `);
    await wire.refusal();
    stream.write(SENTENCES[2]);
    wire.mend();
    await turn.getByText("Last comes the summary measure").waitFor();
  });
  await keep(page, "conversation-resumed", false);
  stream.end();
  assert.equal(await ended(turn), "answered");
  assert.equal(await words(turn), whole, "nothing is lost and nothing comes twice");
  assert.equal(await turn.locator(".turn-note:visible").count(), 0, "a connection that came back leaves no complaint");
}

async function reloaded(page, world) {
  const turn = await ask(page, "And which of them comes first?");
  const stream = await world.provider.next();
  stream.write(`${SENTENCES[0]} Then the`);
  await turn.getByText("Then the").waitFor();
  await page.reload();
  await page.locator(".turn").last().getByText("Then the").waitFor();
  stream.write(` ${SENTENCES[1].slice("Then the ".length)} ${SENTENCES[2]}`);
  stream.end();
  assert.equal(await ended(page.locator(".turn").last()), "answered");
  assert.equal(await words(page.locator(".turn").last()), whole, "nothing is lost and nothing comes twice");
}
