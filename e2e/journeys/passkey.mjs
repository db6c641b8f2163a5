// A passkey: adding it, signing in with it alone, proving with it that it is you.
import assert from "node:assert/strict";
import { ADMIN, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor } from "../lib/browser.mjs";
import { virtualPasskey } from "../lib/factors.mjs";

export default async function passkey(step, world) {
  const visitor = await Visitor.create(world.browser, world.origin);
  const { page, context } = visitor;
  const device = await virtualPasskey(context, page);
  await page.goto("/sign-in");
  await signIn(page);
  await page.waitForURL("**/");
  // This session begins before there is a second factor, so it never proves one.
  const { cookies: unproven } = await context.storageState();
  await context.clearCookies();
  await page.goto("/sign-in");
  await signIn(page);
  await page.waitForURL("**/");
  await step.test("add one", () => add(page, device));
  await step.test("sign in with it alone", () => signInAlone(visitor, device));
  await step.test("as the second factor after the password", () => second(page));
  await step.test("prove with it that it is you", async () => {
    await context.clearCookies();
    await context.addCookies(unproven);
    await stepUp(visitor, device);
  });
  await visitor.leave();
}

async function add(page, device) {
  await page.goto("/settings/security");
  await page.getByText("Add a passkey…").click();
  const form = page.locator('form[data-kind="add"]');
  await form.getByLabel("Name of the passkey").fill("Work laptop");
  await form.getByLabel("Your password").fill(ADMIN.password);
  await audit(page, "passkey-add");
  await form.getByRole("button", { name: "Add the passkey" }).click();
  await page.getByRole("heading", { name: "The passkey was added" }).waitFor();
  assert.equal(await page.locator(".codes code").count(), 10);
  await audit(page, "passkey-codes");
  await page.getByRole("link", { name: "I have kept them" }).click();
  await page.getByText("The second factor was added.").waitFor();
  await page.getByRole("cell", { name: "Work laptop", exact: true }).waitFor();
  assert.equal(await device.count(), 1);
}

async function signOut(page) {
  await page.goto("/settings");
  await page.locator("main").getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/sign-in/);
}

async function signInAlone(visitor, device) {
  const { page } = visitor;
  await signOut(page);
  await device.consent(false);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.getByText("This was cancelled or took too long.").waitFor();
  await audit(page, "sign-in-passkey-cancelled");
  await device.consent(true);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.waitForURL("**/");
  await page.goto("/settings/security");
  await page.getByText("with a passkey", { exact: true }).first().waitFor();
}

async function second(page) {
  await signOut(page);
  await signIn(page);
  await page.getByRole("heading", { name: "Second factor" }).waitFor();
  await audit(page, "second-factor-passkey");
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await page.waitForURL("**/");
}

async function stepUp(visitor, device) {
  const { page } = visitor;
  await page.goto("/settings/security");
  await page.getByText("Remove…").click();
  const form = page.locator('form[action$="/remove"]');
  await form.getByLabel("Code of your authenticator app").waitFor();
  await audit(page, "passkey-remove");
  await device.consent(false);
  await form.getByRole("button", { name: "Use a passkey instead" }).click();
  await form.getByText("This was cancelled or took too long.").waitFor();
  await device.consent(true);
  await form.getByRole("button", { name: "Use a passkey instead" }).click();
  await page.getByText("The second factor was removed.").waitFor();
  assert.equal(await page.getByText("Work laptop").count(), 0);
}
