// The whole job with one's own document: upload, ask, read, check the words, go on, correct, delete, leave, come back.
import assert from "node:assert/strict";
import { ADMIN, ask, documentRow, ended, inView, openCitation, signIn } from "../lib/app.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { ENDPOINT, FOLLOW_UP, QUESTION, RANDOMISED, UNANSWERABLE, pharmacyManual } from "../lib/documents.mjs";

export default async function wholeJob(step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = visitor;
  await step.test("upload by the chooser and by drag and drop", () => upload(page, world));
  await step.test("ask a question that only this document answers", () => question(page, world));
  await step.test("open the cited words", () => citation(page, world));
  await step.test("see why, how sure, and what was searched", () => reasons(page));
  await step.test("follow up, ask again, ask another expert", () => goOn(page));
  await step.test("a question that cannot be answered is refused honestly", () => refusal(page));
  await step.test("an expert from the gallery, with a starter", () => gallery(page));
  await step.test("delete the document and ask again", () => forget(page));
  await step.test("sign out, be asked to sign in, sign in again", () => leaveAndReturn(visitor, world));
  world.session = await visitor.context.storageState();
  await visitor.leave();
}

async function upload(page, world) {
  await page.goto("/library");
  await page.locator("#files").setInputFiles(world.report);
  await documentRow(page, "VP-204 study report").waitFor();

  const dropped = await page.evaluateHandle(({ name, type, text }) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, { type }));
    return data;
  }, { name: pharmacyManual.name, type: pharmacyManual.mimeType, text: pharmacyManual.buffer.toString() });
  await page.dispatchEvent(".js-drop", "dragover", { dataTransfer: dropped });
  await page.locator(".js-drop.over").waitFor();
  await keep(page, "library-drop", false);
  await page.dispatchEvent(".js-drop", "drop", { dataTransfer: dropped });

  await page.locator('.doc-row:has-text("VP-204 pharmacy manual") .badge[data-state="ready"], .doc-row:has-text("Pharmacy manual VP-204") .badge[data-state="ready"]').waitFor();
  await page.locator('.doc-row:has-text("VP-204 study report") .badge[data-state="ready"], .doc-row:has-text("Clinical study report VP-204") .badge[data-state="ready"]').waitFor();
  await keep(page, "library-uploaded");
  await page.reload();
  assert.equal(await page.locator(".doc-row").count(), 2);
  world.documentTitle = await page.locator(".doc-row", { hasText: "3 pages" }).locator("a").first().textContent();
}

async function question(page, world) {
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  assert.equal(await ended(turn), "answered");
  const answer = await turn.locator(".answer").innerText();
  assert.ok(answer.includes("Corvane Fatigue Index at week 26"), answer);
  await turn.locator(".label", { hasText: "Extractive" }).waitFor();
  await turn.locator(".tag", { hasText: "chosen automatically" }).waitFor();
  await keep(page, "conversation-streamed");
  world.conversation = new URL(page.url()).pathname;
}

async function citation(page, world) {
  const turn = page.locator(".turn").last();
  const chip = turn.locator(".answer .cite").first();
  await chip.hover();
  const preview = page.locator("#preview");
  await preview.waitFor();
  assert.ok((await preview.innerText()).includes(world.documentTitle), "the preview names the document");
  await keep(page, "citation-preview", false);
  await page.mouse.move(5, 5);
  await preview.waitFor({ state: "hidden" });

  const { pane, quote } = await openCitation(turn, chip);
  assert.equal(quote, ENDPOINT);
  await keep(page, "citation-pane", false);
  await Promise.all([page.waitForURL(/\/library\/documents\//), pane.getByRole("link", { name: "Open the document" }).click()]);
  const mark = page.locator("main mark");
  assert.deepEqual(await mark.allTextContents(), [quote]);
  await inView(mark);
  await keep(page, "document-cited", false);
  world.citedDocument = page.url().replace(world.origin, "");
  await page.goBack();
}

async function reasons(page) {
  const turn = page.locator(".turn").last();
  for (const [summary, sees] of [["Why this expert", /\d+ %/], ["How sure, and why", /\d+ %/], ["What was searched", /by words and by meaning/]]) {
    const part = turn.locator("details").filter({ has: page.locator("summary", { hasText: summary }) });
    await part.locator("summary").click();
    assert.match(await part.innerText(), sees);
  }
  assert.ok((await turn.locator(".why li").count()) >= 3, "several experts were considered");
  assert.ok((await turn.locator(".sure tbody tr").count()) >= 3, "confidence has its parts");
  await turn.locator(".measures", { hasText: "Valid pointers 100 %" }).waitFor();
  await keep(page, "conversation-reasons");
}

async function goOn(page) {
  const followUp = await ask(page, FOLLOW_UP);
  assert.equal(await ended(followUp), "answered");
  assert.ok((await followUp.locator(".answer").innerText()).includes(RANDOMISED));

  const before = await page.locator(".turn").count();
  await followUp.getByRole("button", { name: "Ask again" }).click();
  await page.locator(".turn").nth(before).waitFor();
  const again = page.locator(".turn").nth(before);
  assert.equal(await ended(again), "answered");
  assert.equal(await again.locator(".answer").innerText(), await followUp.locator(".answer").innerText(), "the same sources give the same answer");

  await again.locator(".why summary").click();
  const other = again.locator(".why li").filter({ has: page.getByRole("button", { name: "Ask this one instead" }) }).first();
  const name = await other.locator("a").textContent();
  await other.getByRole("button").click();
  await page.locator(".turn").nth(before + 1).waitFor();
  const overruled = page.locator(".turn").nth(before + 1);
  await ended(overruled);
  assert.equal(await overruled.locator(".who a").textContent(), name);
  await overruled.locator(".tag", { hasText: "chosen by you" }).waitFor();
}

async function refusal(page) {
  await page.goto("/");
  const turn = await ask(page, UNANSWERABLE);
  assert.equal(await ended(turn), "no_evidence");
  assert.match(await turn.locator(".answer").innerText(), /do not hold enough to answer/);
  assert.equal(await turn.locator(".answer .cite").count(), 0, "a refusal claims no source");
  await keep(page, "conversation-refused");
}

async function gallery(page) {
  await page.goto("/experts");
  const all = await page.locator(".card:visible").count();
  assert.ok(all >= 30, `${all} experts`);
  await page.getByLabel("Filter experts").fill("pharmacovigilance");
  assert.ok((await page.locator(".card:visible").count()) < all);
  await page.locator(".card:visible a").first().click();
  const name = await page.locator("h1").textContent();
  await page.locator('aside[aria-label="Begin"] a.row').first().click();
  assert.ok((await page.locator("#question").inputValue()).length > 20, "the starter stands in the composer");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  const turn = page.locator(".turn");
  await turn.waitFor();
  assert.equal(await ended(turn), "answered");
  assert.equal(await turn.locator(".who a").textContent(), name);
  await turn.locator(".tag", { hasText: "chosen by you" }).waitFor();
  await openCitation(turn, turn.locator(".answer .cite").first());
  await keep(page, "conversation-starter", false);
}

async function forget(page) {
  await page.goto("/library");
  const row = page.locator(".doc-row", { hasText: "3 pages" });
  await row.locator("summary").click();
  await keep(page, "library-delete", false);
  await row.getByRole("button", { name: "Delete for good" }).click();
  await row.waitFor({ state: "detached" });
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  await ended(turn);
  assert.equal(await turn.locator('.cite:has-text("1")').filter({ hasText: "study report" }).count(), 0);
  assert.ok(!(await turn.innerText()).includes("Corvane Fatigue Index"), "no word of the deleted document is in the new answer");
}

async function leaveAndReturn(visitor, world) {
  const { page } = visitor;
  await page.goto("/conversations");
  await page.locator("details.menu summary").click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/sign-in/);
  await page.goto(world.conversation);
  await page.waitForURL(/\/sign-in\?next=/);
  await visitor.allowing(/^401 POST \/sign-in$/, () => signIn(page, { ...ADMIN, password: "not the right sentence" }));
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.equal(await page.getByLabel("E-mail address").inputValue(), ADMIN.email);
  await keep(page, "sign-in-refused");
  await signIn(page);
  await page.waitForURL(`**${world.conversation}`);
  assert.ok((await page.locator(".turn").count()) >= 4, "the conversation is as it was left");
}
