// With scripts turned off: sign in, ask, see the finished answer, open the cited words, add a document.
import assert from "node:assert/strict";
import { ask, ended, inView, signIn } from "../lib/app.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { FOLLOW_UP, RANDOMISED } from "../lib/documents.mjs";

export default async function withoutScripts(_step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { javaScriptEnabled: false });
  const { page } = visitor;
  await page.goto("/sign-in");
  await signIn(page);

  await page.goto("/library");
  await page.locator("#files").setInputFiles({ ...world.report, name: "VP-204 second copy.pdf" });
  await page.getByRole("button", { name: "Upload" }).click();
  await page.locator(".doc-row").first().waitFor();

  await page.goto("/");
  const turn = await ask(page, FOLLOW_UP);
  assert.equal(await ended(turn), "answered");
  assert.ok((await turn.locator(".answer").innerText()).includes(RANDOMISED));
  await keep(page, "no-scripts-conversation");

  const quote = await turn.locator(".sources blockquote").first().textContent();
  await turn.locator(".answer .cite").first().click();
  await page.waitForURL(/\/library\/documents\/.*#cited/);
  assert.deepEqual(await page.locator("main mark").allTextContents(), [quote]);
  await keep(page, "no-scripts-document", false);
  await visitor.leave();
}
