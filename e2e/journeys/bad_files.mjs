// Files that cannot be read: each says why, none stops the others.
import assert from "node:assert/strict";
import { documentRow } from "../lib/app.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { badFiles } from "../lib/documents.mjs";

export default async function unreadable(_step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = visitor;
  await page.goto("/library");
  await visitor.allowing(/^4(15|22) POST \/api\/v1\/documents$/, async () => {
    await page.locator("#files").setInputFiles([...badFiles.map((bad) => bad.file), world.report]);
    for (const { file, says } of badFiles) {
      const line = page.locator(".uploads li, .doc-row").filter({ hasText: file.name }).filter({ has: page.locator(".bad") });
      await line.waitFor();
      const text = await line.locator(".bad").innerText();
      assert.match(text, says, `${file.name}: ${text}`);
    }
    await page.locator(".doc-row", { hasText: "3 pages" }).locator('.badge[data-state="ready"]').waitFor();
  });
  assert.equal(await documentRow(page, "empty report.pdf").count(), 0, "what was never sent is not in the list");
  await keep(page, "library-bad-files");
  await visitor.leave();
}
