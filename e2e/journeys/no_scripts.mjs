// With scripts turned off: sign in, ask, see the finished answer, open the cited words, add a document.
import assert from "node:assert/strict";
import { ask, documentRow, ended, signIn } from "../lib/app.mjs";
import { Visitor, WAIT_MS_MAX, keep } from "../lib/browser.mjs";
import { FOLLOW_UP, RANDOMISED, studySummary } from "../lib/documents.mjs";

export default async function withoutScripts(_step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { javaScriptEnabled: false });
  const { page } = visitor;
  await page.goto("/sign-in");
  await signIn(page);

  await page.goto("/library");
  await page.locator("#files").setInputFiles(studySummary);
  await page.getByRole("button", { name: "Upload" }).click();
  const ready = documentRow(page, studySummary.name).locator('.badge[data-state="ready"]');
  await documentRow(page, studySummary.name).waitFor();
  // Without scripts the reader is the one who looks again.
  for (const limit = Date.now() + WAIT_MS_MAX; !(await ready.count()) && Date.now() < limit;) await page.reload();
  assert.equal(await ready.count(), 1, "the document was read");

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
