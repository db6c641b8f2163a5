// Telling a program: a webhook that is refused, added, tested, rotated, failing, switched off and on, and removed.
import assert from "node:assert/strict";
import { ADMIN, ask, ended, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor } from "../lib/browser.mjs";
import { addAuthenticator } from "../lib/factors.mjs";
import { ScriptedReceiver, isSigned } from "../lib/receiver.mjs";

const NAME = "Corvane archive";
const PAGE = "/settings/webhooks";
/** A receiver on this machine is allowed. */
export const config = () => "[identity]\nallow_loopback_issuers = true\n";

export default async function webhooks(step, world) {
  const receiver = await ScriptedReceiver.create();
  const admin = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = admin;
  const seen = {};
  try {
    await page.goto("/");
    if (page.url().includes("/sign-in")) await signIn(page);
    if (!world.app) await step.test("a second factor", async () => Object.assign(world, await addAuthenticator(page, ADMIN.password)));
    await step.test("before there is one", () => empty(page));
    await step.test("an address of the inside is refused", () => refused(admin, world));
    await step.test("add one and see its secret once", () => add(page, world, receiver, seen));
    await step.test("a test arrives, signed", () => test(page, receiver, seen));
    await step.test("a finished answer is told", () => answer(page, receiver, seen));
    await step.test("a new secret, and both sign", () => rotate(page, world, receiver, seen));
    await step.test("a receiver that fails shows, and a message is sent again", () => failing(page, receiver));
    await step.test("switch it off and on", () => off(page));
    await step.test("remove it", () => remove(page, world));
  } finally {
    receiver.close();
  }
  world.session = await admin.context.storageState();
  await admin.leave();
}

/** Fills the field for a code where the form asks for one. */
async function code(form, world) {
  const field = form.getByLabel("Code of your authenticator app");
  if (await field.count()) await field.fill(await world.app.code());
}

/** Opens what is behind a word, unless it is open. */
async function open(page, words) {
  const fold = page.locator("details.act").filter({ has: page.locator("summary", { hasText: words }) }).first();
  if (await fold.evaluate((details) => !details.open)) await fold.locator("summary").click();
  return fold;
}

/** Loads the page anew until it shows something. */
async function until(page, locator) {
  for (let looks = 0; looks < 100; looks++) {
    if (await locator.first().isVisible()) return;
    await page.reload();
  }
  await locator.first().waitFor();
}

async function empty(page) {
  await page.goto(PAGE);
  await page.getByText("None yet. Add one").waitFor();
  await audit(page, "webhooks-empty");
}

async function refused(admin, world) {
  const { page } = admin;
  const form = await open(page, "Add a webhook…");
  await form.getByLabel("Name").fill(NAME);
  await form.getByLabel("Address").fill("https://10.0.0.1/hook");
  await code(form, world);
  await admin.allowing(/^422 POST \/settings\/webhooks$/, () => form.getByRole("button", { name: "Add the webhook" }).click());
  await form.getByRole("alert").waitFor();
  const field = form.getByLabel("Address");
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.match(await page.locator(`#${await field.getAttribute("aria-describedby")}`).innerText(), /private networks are refused/);
  assert.equal(await form.getByLabel("Name").inputValue(), NAME, "what was typed is kept");
  await audit(page, "webhooks-refused");
}

async function add(page, world, receiver, seen) {
  const form = await open(page, "Add a webhook…");
  await form.getByLabel("Address").fill(receiver.url);
  await form.getByLabel("A question has its answer").check();
  await code(form, world);
  await form.getByRole("button", { name: "Add the webhook" }).click();
  await page.getByRole("heading", { name: `The secret of ${NAME}` }).waitFor();
  seen.secret = await page.locator("#secret").innerText();
  assert.match(seen.secret, /^whsec_/);
  await open(page, "How your program verifies a message…");
  await audit(page, "webhook-secret");
  await page.getByRole("link", { name: "On to the webhook" }).click();
  await page.getByText("Nothing was sent in the last 30 days.").waitFor();
  assert.ok(!(await page.content()).includes(seen.secret), "it is never shown again");
  await audit(page, "webhook-new");
}

async function test(page, receiver, seen) {
  await (await open(page, "Send a test…")).getByRole("button", { name: "Send a test" }).click();
  await page.getByText("The test is on its way.").waitFor();
  const message = await receiver.next();
  assert.equal(JSON.parse(message.body).type, "webhook.test");
  assert.ok(isSigned(message, seen.secret));
  await until(page, page.getByText("answered 204"));
  await audit(page, "webhook-tested");
}

async function answer(page, receiver, seen) {
  seen.page = page.url().split("?")[0];
  await page.goto("/");
  assert.equal(await ended(await ask(page, "What are the five attributes of an estimand under ICH E9(R1)?")), "answered");
  const message = await receiver.next();
  const told = JSON.parse(message.body);
  assert.deepEqual([told.type, told.data.state, Object.keys(told.data).sort()], ["turn.finished", "answered", ["conversation_id", "state", "turn_id"]]);
  assert.ok(isSigned(message, seen.secret));
}

async function rotate(page, world, receiver, seen) {
  await page.goto(seen.page);
  const form = await open(page, "Make a new secret…");
  await code(form, world);
  await form.getByRole("button", { name: "Make a new secret" }).click();
  await page.getByRole("heading", { name: `The secret of ${NAME}` }).waitFor();
  const secret = await page.locator("#secret").innerText();
  await page.getByRole("link", { name: "On to the webhook" }).click();
  await (await open(page, "Send a test…")).getByRole("button", { name: "Send a test" }).click();
  const message = await receiver.next();
  assert.ok(isSigned(message, secret) && isSigned(message, seen.secret), "both for a day");
}

async function failing(page, receiver) {
  receiver.status = 500;
  await (await open(page, "Send a test…")).getByRole("button", { name: "Send a test" }).click();
  const message = await receiver.next();
  await until(page, page.getByText("answered 500"));
  await page.getByText("failing").first().waitFor();
  await audit(page, "webhook-failing");
  receiver.status = 204;
  await page.getByRole("button", { name: /^Send again/ }).first().click();
  const again = await receiver.next();
  assert.equal(again.headers["webhook-id"], message.headers["webhook-id"], "one message, however often");
  await until(page, page.getByText("working"));
}

async function off(page) {
  await (await open(page, "Switch it off…")).getByRole("button", { name: "Switch it off" }).click();
  await page.getByText("switched off", { exact: true }).waitFor();
  assert.equal(await page.getByRole("button", { name: /^Send again/ }).count(), 0);
  await audit(page, "webhook-off");
  await (await open(page, "Switch it on…")).getByRole("button", { name: "Switch it on" }).click();
  const missed = await open(page, "Send what was missed…");
  await missed.getByLabel("From").selectOption({ label: "the last hour" });
  await missed.getByRole("button", { name: "Send what was missed" }).click();
  await page.getByText("What was missed is on its way.").waitFor();
  await page.goto(PAGE);
  await page.getByRole("cell", { name: /turn.finished/ }).waitFor();
  await audit(page, "webhooks");
}

async function remove(page, world) {
  await page.getByRole("link", { name: NAME }).click();
  const form = await open(page, "Remove it…");
  await code(form, world);
  await form.getByRole("button", { name: "Remove the webhook" }).click();
  await page.getByText("None yet. Add one").waitFor();
}
