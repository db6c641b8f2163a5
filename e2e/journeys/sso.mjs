// Single sign-on with a real identity provider: set up and tested by an administrator, used by a member, refused and down.
import assert from "node:assert/strict";
import { ADMIN } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor } from "../lib/browser.mjs";
import { addAuthenticator } from "../lib/factors.mjs";
import { start } from "../lib/identity_provider.mjs";

const SLUG = "corvane-therapeutics";
const PROVIDER = "Corvane accounts";
/** The server talks to providers on this machine only when it is told to. */
export const config = () => "[identity]\nallow_loopback_issuers = true\n";

export default async function sso(step, world) {
  const accounts = {
    lena: { email: "lena@corvane.example", email_verified: true, name: "Lena Roth", groups: ["vital-authors"] },
    visitor: { email: "visitor@corvane.example", email_verified: true, name: "A Visitor", groups: ["others"] },
  };
  const provider = await start({ redirectUri: `${world.origin}/sign-in/sso/callback`, accounts });
  try {
    const admin = await Visitor.create(world.browser, world.origin, { storageState: world.session });
    if (!world.app) await step.test("a second factor", async () => Object.assign(world, await addAuthenticator(admin.page, ADMIN.password)));
    await step.test("set the provider up and test it", () => setUp(admin, world, provider));
    await step.test("a member signs in with it", () => member(world, provider, accounts));
    await step.test("whoever has no role, or thinks better of it, does not get in", () => refused(world, provider));
    world.session = await admin.context.storageState();
    await admin.leave();
  } finally {
    await provider.stop();
  }
  await step.test("a provider that is down says so and offers another way", () => down(world));
}

async function setUp(admin, world, provider) {
  const { page } = admin;
  await page.goto("/settings/sso");
  await page.getByText("No provider is set up yet.").waitFor();
  await audit(page, "sso-empty");
  await page.getByText("Add OpenID Connect…").click();
  const form = page.locator('form:has(input[name="kind"][value="oidc"])');
  assert.ok(await form.getByText(`${world.origin}/sign-in/sso/callback`).isVisible(), "the redirect address is there to be copied");
  await form.getByLabel("Name, as people see it").fill(PROVIDER);
  await form.getByLabel("Issuer").fill(provider.issuer);
  await form.getByLabel("Client id").fill(provider.clientId);
  await form.getByLabel("Client secret").fill(provider.clientSecret);
  await form.getByLabel("Further scopes").fill("groups");
  await form.getByLabel("Claim that roles follow").fill("groups");
  await form.getByLabel("Values and roles").fill("vital-authors = member, king");
  await code(form, world);
  await admin.allowing(/^422 POST \/settings\/sso$/, () => form.getByRole("button", { name: "Add the provider" }).click());
  await form.getByText("Line 1: unknown role").waitFor();
  assert.equal(await form.getByLabel("Issuer").inputValue(), provider.issuer, "what was typed is kept");
  assert.equal(await form.getByLabel("Client secret").inputValue(), "", "a secret is not");
  await audit(page, "sso-refused");
  await form.getByLabel("Client secret").fill(provider.clientSecret);
  await form.getByLabel("Values and roles").fill("vital-authors = member, expert_author\nvital-readers = viewer");
  await code(form, world);
  await form.getByRole("button", { name: "Add the provider" }).click();
  await page.getByText("The provider was added.").waitFor();
  await page.getByText("Test it…").click();
  const test = page.locator("form[action$='/test']");
  await code(test, world);
  await test.getByRole("button", { name: "Test the provider" }).click();
  await page.getByText("The provider answers, names the same issuer and publishes keys.").waitFor();
  assert.ok(!(await page.content()).includes(provider.clientSecret), "a secret is never shown");
  await audit(page, "sso-provider");
  await page.goto("/settings/sso");
  await audit(page, "sso");
}

/** Fills the field for a code where the form asks for one. */
async function code(form, world) {
  const field = form.getByLabel("Code of your authenticator app");
  if (await field.count()) await field.fill(await world.app.code());
}

/** Goes from the page somebody wanted to the provider's own. */
async function toProvider(page, wanted) {
  await page.goto(wanted);
  await page.waitForURL(/\/sign-in\?next=/);
  await page.getByRole("link", { name: "Sign in with your organisation" }).click();
  await page.getByLabel("Your organisation").fill(SLUG);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("link", { name: PROVIDER }).click();
}

async function visitor(world, provider) {
  const made = await Visitor.create(world.browser, world.origin);
  made.mayVisit(provider.issuer);
  made.allowed.push(/^404 GET \/favicon\.ico$/);
  return made;
}

async function member(world, provider, accounts) {
  const lena = await visitor(world, provider);
  const { page } = lena;
  await page.goto("/sign-in/sso?organisation=nobody-here");
  await page.getByText("There is no single sign-on for “nobody-here” here.").waitFor();
  await audit(page, "sign-in-sso-unknown");
  await page.goto(`/sign-in/sso?organisation=${SLUG}`);
  await page.getByRole("link", { name: PROVIDER }).waitFor();
  await audit(page, "sign-in-sso");
  await toProvider(page, "/experts");
  await page.getByLabel("Account").fill("lena");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL(`${world.origin}/experts`);
  await roles(page, "member, expert author");

  // The provider remembers her; her groups have changed there meanwhile.
  accounts.lena.groups = ["vital-readers"];
  await page.locator("main").getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/sign-in$/);
  await toProvider(page, "/experts");
  await page.waitForURL(`${world.origin}/experts`);
  await roles(page, "viewer");
  await lena.leave();
}

async function roles(page, expected) {
  await page.goto("/settings");
  const shown = await page.locator(".facts div", { has: page.getByText("Roles", { exact: true }) }).locator("dd").innerText();
  assert.equal(shown.toLowerCase(), expected);
}

async function refused(world, provider) {
  const somebody = await visitor(world, provider);
  const { page } = somebody;
  await somebody.allowing(/^40[13] GET \/sign-in\/sso\/callback$/, async () => {
    await toProvider(page, "/library");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("did not sign you in (access_denied)").waitFor();
    await audit(page, "sign-in-sso-declined");
    await toProvider(page, "/library");
    await page.getByLabel("Account").fill("visitor");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("none of your groups there has a role here").waitFor();
  });
  await page.goto("/library");
  await page.waitForURL(/\/sign-in\?next=/);
  await somebody.leave();
}

async function down(world) {
  // What the server remembers of the provider goes with it.
  await world.server.stop();
  await world.server.start(config());
  const lena = await Visitor.create(world.browser, world.origin);
  const { page } = lena;
  await lena.allowing(/^502 GET \/sign-in\/sso\//, async () => {
    await toProvider(page, "/library");
    await page.getByText("could not be reached, so nobody was signed in").waitFor();
  });
  await audit(page, "sign-in-sso-down");
  await page.getByRole("link", { name: "Sign in with a password" }).click();
  await page.waitForURL(/\/sign-in\?next=%2Flibrary$/);
  await lena.leave();
}
