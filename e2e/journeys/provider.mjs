// An answer that is written slowly by a provider: seen while it grows, stopped in the middle, the same after a reload.
import assert from "node:assert/strict";
import { ask, ended } from "../lib/app.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { shape } from "../lib/shape.mjs";

const QUESTION = "What are the five attributes of an estimand under ICH E9(R1)?";

export default async function byProvider(step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = visitor;
  await step.test("grows on the page and is the same when it comes from the server", () => grows(page, world));
  await step.test("stops when told to", () => stops(page, world));
  await visitor.leave();
}

async function grows(page, world) {
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  const stream = await world.provider.next();
  // A sentence is bound to its source once the next one begins.
  stream.write("An estimand has five attributes [1]. They were");
  await turn.locator(".answer").getByText("An estimand has five attributes").waitFor();
  assert.equal(await turn.getAttribute("data-state"), "running");
  await turn.locator(".answer .cite").waitFor();
  assert.ok(await turn.getByRole("button", { name: "Stop" }).isVisible());
  await keep(page, "conversation-running", false);
  stream.write(" agreed on the far side of the moon.\n- One of them is the population [1].\n- Another one is the variable [1].\n");
  stream.end();
  assert.equal(await ended(turn), "answered");
  await turn.locator(".flag", { hasText: "no source" }).waitFor();
  const grown = await turn.evaluate(shape);
  await keep(page, "conversation-provider");
  await page.reload();
  assert.deepEqual(grown.split("\n"), (await page.locator(".turn").last().evaluate(shape)).split("\n"), "scripts build what the server renders");
}

async function stops(page, world) {
  const turn = await ask(page, "Which of them names the population?");
  const stream = await world.provider.next();
  stream.write("The population attribute names the patients targeted by the question [1]. And then");
  await turn.locator(".answer .cite").waitFor();
  await turn.getByRole("button", { name: "Stop" }).click();
  assert.equal(await ended(turn), "stopped");
  await stream.closed;
  await turn.getByText("You stopped this answer.").waitFor();
  assert.ok((await turn.locator(".answer").innerText()).includes("The population attribute"), "what had been written is kept");
  await keep(page, "conversation-stopped", false);
  await page.reload();
  assert.equal(await page.locator(".turn").last().getAttribute("data-state"), "stopped");
}
