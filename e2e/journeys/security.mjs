// One's own security: an authenticator app, recovery codes, signing in with them, another password, sessions.
import assert from "node:assert/strict";
import { ADMIN, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor } from "../lib/browser.mjs";
import { addAuthenticator } from "../lib/factors.mjs";

const PASSWORD = "another long sentence that works";

export default async function security(step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = visitor;
  await page.goto("/sign-in");
  await audit(page, "sign-in");
  await signIn(page);
  await page.waitForURL("**/");
  await step.test("the page before there is anything", async () => {
    await page.goto("/settings/security");
    await audit(page, "security-empty");
  });
  await step.test("add an authenticator app", async () => {
    await refusedPassword(visitor);
    const { app, codes } = await addAuthenticator(page, ADMIN.password, (name) => audit(page, `security-${name}`));
    Object.assign(world, { app, codes });
    await audit(page, "security");
  });
  await step.test("sign out and in again with a code", () => withCode(visitor, world));
  await step.test("a recovery code instead, once", () => withRecoveryCode(visitor, world));
  await step.test("dangerous forms ask for a code", () => dangerous(world));
  await step.test("change the password, which ends the other sessions", () => password(visitor, world));
  await step.test("end a session from the list", () => sessions(visitor, world));
  await step.test("forgotten password", () => forgotten(world));
  world.session = await visitor.context.storageState();
  await visitor.leave();
}

/** A wrong password keeps what was typed and says where the fault is. */
async function refusedPassword(visitor) {
  const { page } = visitor;
  await page.goto("/settings/security");
  await page.getByText("Add an authenticator app…").click();
  const form = page.locator('form[action="/settings/security/totp"]');
  await form.getByLabel("Name of the app or device").fill("Phone of Mira");
  await form.getByLabel("Your password").fill("not this one");
  await visitor.allowing(/^403 POST/, () => form.getByRole("button", { name: "Show the QR code" }).click());
  await page.locator('#totp-password[aria-invalid="true"]').waitFor();
  assert.equal(await page.locator("#totp-name").inputValue(), "Phone of Mira", "what was typed is kept");
  assert.equal(await page.locator("#totp-password").inputValue(), "", "a password is not");
  await audit(page, "security-refused");
}

async function signOut(page) {
  await page.goto("/settings");
  await page.locator("main").getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/sign-in/);
}

async function withCode(visitor, world) {
  const { page } = visitor;
  await signOut(page);
  await signIn(page);
  await page.getByRole("heading", { name: "Second factor" }).waitFor();
  await audit(page, "second-factor");
  await page.getByLabel("Code of your authenticator app").fill("000000");
  await visitor.allowing(/^401 POST/, () => page.getByRole("button", { name: "Sign in", exact: true }).click());
  await page.locator(".notice.bad").waitFor();
  await page.getByLabel("Code of your authenticator app").fill(await world.app.code());
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL("**/");
}

async function withRecoveryCode(visitor, world) {
  const { page } = visitor;
  for (const works of [true, false]) {
    await signOut(page);
    await signIn(page);
    await page.getByLabel("Code of your authenticator app").fill(world.codes[0]);
    if (works) { await page.getByRole("button", { name: "Sign in", exact: true }).click(); await page.waitForURL("**/"); continue; }
    await visitor.allowing(/^401 POST/, () => page.getByRole("button", { name: "Sign in", exact: true }).click());
    await page.locator(".notice.bad").waitFor();
    await page.getByLabel("Code of your authenticator app").fill(world.codes[1]);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.waitForURL("**/");
  }
  await page.goto("/settings/security");
  await page.getByText("8 recovery codes left.").waitFor();
}

async function password(visitor, world) {
  const { page } = visitor;
  const other = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  await other.page.goto("/settings");
  await other.page.getByRole("heading", { name: "Profile" }).waitFor();
  await page.goto("/settings/security");
  await page.getByLabel("Present password").fill(ADMIN.password);
  await page.getByLabel("New password").fill("short");
  await visitor.allowing(/^422 POST/, () => page.getByRole("button", { name: "Change the password" }).click());
  await page.locator('#password-password[aria-invalid="true"]').waitFor();
  await page.getByLabel("Present password").fill(ADMIN.password);
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("Your password was changed.").waitFor();
  ADMIN.password = PASSWORD;
  await other.page.goto("/settings");
  await other.page.waitForURL(/\/sign-in/);
  await other.leave();
}

/** The session of the set-up began before there was a second factor, so it has proven none. */
async function dangerous(world) {
  const visitor = await Visitor.create(world.browser, world.origin, { storageState: world.session, permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = visitor;
  await page.goto("/settings/security");
  await page.getByText("New recovery codes…").click();
  await page.getByText("the ones you have stop working").waitFor();
  const form = page.locator('form[action$="/recovery-codes"]');
  await audit(page, "step-up");
  await form.getByLabel("Code of your authenticator app").fill("000000");
  await visitor.allowing(/^403 POST/, () => form.getByRole("button", { name: "Make new codes" }).click());
  await form.getByText("This code was not accepted.").waitFor();
  assert.equal(await form.getByLabel("Code of your authenticator app").inputValue(), "", "a code is never sent back");
  await audit(page, "step-up-refused");
  await form.getByLabel("Code of your authenticator app").fill(await world.app.code());
  await form.getByRole("button", { name: "Make new codes" }).click();
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  await page.getByRole("button", { name: "Copy the codes" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied.split("\n").length, 10);
  world.session = await visitor.context.storageState();
  await visitor.leave();
}

async function sessions(visitor, world) {
  const { page } = visitor;
  const other = await Visitor.create(world.browser, world.origin);
  await other.page.goto("/sign-in");
  await signIn(other.page);
  await other.page.getByLabel("Code of your authenticator app").fill(await world.app.code());
  await other.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await other.page.waitForURL("**/");
  await page.goto("/settings/security");
  const rows = page.locator('section[aria-labelledby="sessions-h"] tbody tr');
  assert.equal(await rows.count(), 2);
  assert.ok((await rows.first().innerText()).includes("this one"));
  await audit(page, "security-sessions");
  await rows.last().getByRole("button", { name: /^End/ }).click();
  await page.getByText("The session has ended.").waitFor();
  assert.equal(await rows.count(), 1);
  await other.page.goto("/settings");
  await other.page.waitForURL(/\/sign-in/);
  await other.leave();
}

async function forgotten(world) {
  const visitor = await Visitor.create(world.browser, world.origin);
  const { page } = visitor;
  await page.goto("/sign-in");
  await page.getByRole("link", { name: "Forgotten password" }).click();
  await audit(page, "forgot");
  await page.getByLabel("E-mail address").fill("nobody@corvane.example");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByText("If an account has this address").waitFor();
  await audit(page, "forgot-sent");
  await visitor.allowing(/^404 GET \/reset/, () => page.goto("/reset?token=unknown"));
  await page.getByText("This link does not work").waitFor();
  await visitor.leave();
}
