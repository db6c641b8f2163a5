// The trail as auditors, members and reviewers meet it: the explorer, who saw a document, one's own activity, and the review of a week.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { ADMIN, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor, WAIT_MS_MAX } from "../lib/browser.mjs";
import { sql } from "../lib/database.mjs";
import { addAuthenticator } from "../lib/factors.mjs";

const READER = "Tomasz Berger";
/** Documents that he opened within an hour: more than the review lets pass. */
const OPENED = 45;

export default async function trail(step, world) {
  const admin = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = admin;
  await page.goto("/");
  if (page.url().includes("/sign-in")) await signIn(page);
  if (!world.app) await step.test("a second factor", async () => Object.assign(world, await addAuthenticator(page, ADMIN.password)));
  await step.test("read a document, and see who saw it", () => whoSaw(page));
  await step.test("the explorer and its filters", () => explorer(page));
  await step.test("what a filter lets through, as a file", () => download(page, world));
  await step.test("the explorer with the keyboard alone", () => keyboard(page));
  await step.test("one's own activity", () => activity(page));
  await step.test("reviews before there is one, and the working hours", () => hours(admin, world));
  await step.test("weeks that have ended get their review", () => weeks(world));
  await step.test("a review that is overdue is signed", () => sign(page, world));
  world.session = await admin.context.storageState();
  await admin.leave();
}

async function whoSaw(page) {
  await page.goto("/library?starter=true");
  await page.locator(".docs a").first().click();
  const title = await page.locator("h1").innerText();
  const seen = page.getByRole("region", { name: "Who saw this document" });
  await seen.getByText("opened its text").first().waitFor();
  await audit(page, "document-seen");
  await seen.getByRole("link", { name: "Everybody who saw it" }).click();
  await page.getByRole("heading", { name: `Who saw ${title}` }).waitFor();
  await page.getByRole("cell", { name: "opened its text" }).first().waitFor();
  await audit(page, "audit-document");
}

async function explorer(page) {
  await page.goto("/settings/audit");
  await page.getByRole("heading", { name: "Audit trail" }).waitFor();
  await audit(page, "audit");
  await page.getByRole("button", { name: "Verify the trail" }).click();
  await page.getByText("The trail is unchanged.").waitFor();
  await audit(page, "audit-verified");
  await page.goto("/settings/audit");
  await page.getByLabel("Who").fill(ADMIN.name.split(" ")[0].toLowerCase());
  await page.getByLabel("What", { exact: true }).selectOption("reading");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/action=reading/);
  const rows = page.locator(".trail tbody tr");
  assert.ok((await rows.count()) >= 1);
  for (const what of await rows.locator('td[data-label="What"]').allInnerTexts()) assert.match(what, /read|searched|cites/);
  assert.equal(await page.getByLabel("What", { exact: true }).inputValue(), "reading", "the filter stays as it was set");
  await audit(page, "audit-filtered");
  await page.getByLabel("Who").fill("nobody of this name");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("Nothing in the trail fits.").waitFor();
  await audit(page, "audit-nothing");
  await page.getByRole("link", { name: "Show everything" }).click();
  await rows.locator("td a").first().click();
  await page.getByText("and what else it did").waitFor();
  await audit(page, "audit-entry");
}

/** Saves the entries that the explorer shows, in one format, and returns them as lines. */
async function saved(page, world, format) {
  await page.getByLabel("Format").selectOption(format);
  await prove(page, world);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download", exact: true }).click()]);
  assert.match(file.suggestedFilename(), new RegExp(`\\.${format}$`));
  return (await readFile(await file.path(), "utf8")).trim().split(/\r?\n/);
}

async function download(page, world) {
  await page.goto(`/settings/audit?action=reading&who=${encodeURIComponent(ADMIN.email)}`);
  const shown = await page.locator(".trail tbody tr").count();
  // A page shows the newest; the file has the older ones too.
  const older = (await page.getByRole("link", { name: "Older" }).count()) > 0;
  await page.getByText("Download these entries").click();
  await audit(page, "audit-download");
  const lines = (await saved(page, world, "jsonl")).map((line) => JSON.parse(line));
  assert.ok(older ? lines.length > shown : lines.length === shown, `${lines.length} are saved, ${shown} are shown`);
  const reading = ["document.read", "conversation.read", "turn.read", "search.performed", "evidence.retrieved", "evidence.cited", "source.read"];
  for (const { action } of lines) assert.ok(reading.includes(action), action);
  const [head, ...rows] = await saved(page, world, "csv");
  assert.match(head, /action/);
  assert.equal(rows.length, lines.length);
  for (const row of rows) assert.ok(row.includes(ADMIN.name), "a table names who it was");
  await page.goto("/settings/audit?action=audit.exported");
  assert.equal(await page.locator(".trail tbody tr").count(), 2, "downloads are in the trail themselves");
}

async function keyboard(page) {
  await page.goto("/settings/audit");
  await page.getByLabel("Who").focus();
  await page.keyboard.type(ADMIN.email);
  await page.keyboard.press("Enter");
  await page.waitForURL(/who=mira/);
  await page.locator(".trail tbody tr td a").first().focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/settings\/audit\/entries\//);
}

async function activity(page) {
  await page.goto("/settings/activity");
  await page.getByText("read a document").first().waitFor();
  await audit(page, "activity");
}

async function hours(admin, world) {
  const { page } = admin;
  await page.goto("/settings/reviews");
  await page.getByText("There is no review yet.").waitFor();
  await page.getByText("Change the working hours…").click();
  await audit(page, "reviews-empty");
  await page.getByLabel("Time zone").fill("Mars/Olympus");
  await prove(page, world);
  await admin.allowing(/^422 POST/, () => page.getByRole("button", { name: "Change the hours" }).click());
  await page.getByText("Write the name of a time zone").waitFor();
  await page.getByLabel("Time zone").fill("Europe/Berlin");
  await page.getByRole("button", { name: "Change the hours" }).click();
  await page.getByText("The working hours were changed.").waitFor();
  await page.getByText("Europe/Berlin.").waitFor();
}

/** Gives the code of the authenticator where the form asks for one. */
async function prove(page, world) {
  const code = page.getByLabel("Code of your authenticator app");
  if (await code.count()) await code.first().fill(await world.app.code());
}

/** Lets a reader have been busy at night three weeks ago; the review of a week is made when the server next looks. */
async function weeks(world) {
  await sql(world.server, `
    with someone as (
      insert into members (tenant_id, id, email, display_name, roles, created_at)
      select tenant_id, gen_random_uuid(), 'tomasz@corvane.example', '${READER}', '{member}', now() from members limit 1 returning tenant_id, id)
    insert into audit_entries (tenant_id, id, at, actor_id, action, resource, resource_id, fields, request_id)
    select s.tenant_id, (lpad(to_hex((extract(epoch from n.at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid,
           n.at, s.id, 'document.read', 'document', gen_random_uuid()::text, '{}', gen_random_uuid()
    from someone s, (select date_trunc('week', now()) - interval '20 days 21 hours' + i * interval '1 minute' as at from generate_series(1, ${OPENED}) i) n`);
  await world.server.restart();
}

async function sign(page, world) {
  // The server prepares the reviews a moment after it has started: the page is looked at until they are there.
  const overdue = page.getByText(/weekly reviews? overdue/);
  const until = Date.now() + WAIT_MS_MAX;
  do {
    assert.ok(Date.now() < until, "the reviews of past weeks are prepared");
    await page.goto("/");
  } while ((await overdue.count()) === 0);
  await page.getByRole("link", { name: "review and sign" }).click();
  await page.getByText("overdue", { exact: true }).first().waitFor();
  await audit(page, "reviews");
  await page.locator(".sheet-list tbody tr").last().getByRole("link").click();
  await page.getByText(`${READER} opened ${OPENED} documents within an hour`).waitFor();
  const findings = page.locator(".findings > li");
  for (let i = 0; i < await findings.count(); i++) {
    await findings.nth(i).getByLabel(i ? "Explained" : "To follow up").check();
    await findings.nth(i).getByLabel("Note").fill(i ? "The same reading." : "Asked him what for; answer due on Friday.");
  }
  await audit(page, "review");
  await prove(page, world);
  await page.getByRole("button", { name: "Sign the review" }).click();
  await page.getByText("The review was signed.").waitFor();
  await page.getByText("unchanged since it was signed").waitFor();
  await audit(page, "review-signed");
}
