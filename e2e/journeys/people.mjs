// The people of an organisation: an invitation, roles, groups, keys, the policy, taking access away.
import assert from "node:assert/strict";
import { ADMIN, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor } from "../lib/browser.mjs";
import { addAuthenticator } from "../lib/factors.mjs";
import { linkTo } from "../lib/mail.mjs";

const MEMBER = { name: "Jonas Lindqvist", email: "jonas@corvane.example", password: "a sentence only I would write" };

export default async function people(step, world) {
  const admin = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = admin;
  if (!world.app) {
    await step.test("before there is a second factor", () => withoutFactor(page));
    await step.test("a second factor", async () => Object.assign(world, await addAuthenticator(page, ADMIN.password)));
  }
  await step.test("invite somebody", () => invite(page));
  let member;
  await step.test("take the invitation up", async () => { member = await accept(world); });
  await step.test("roles", () => roles(admin));
  await step.test("groups", () => groups(page));
  await step.test("a key", () => key(page, world));
  await step.test("service accounts", () => services(page));
  await step.test("the sign-in policy", () => policy(admin));
  await step.test("an operator's access, and its review", () => operator(admin, world));
  for (const [name, path] of [["roles", "/settings/roles"], ["profile", "/settings"]]) {
    await step.check(name, async () => { await page.goto(path); await audit(page, `people-${name}`); });
  }
  await step.test("deactivate the member, whose next request is refused", () => deactivate(page, member));
  world.session = await admin.context.storageState();
  await member.leave();
  await admin.leave();
}

/** Who has no second factor is led to where one is added, instead of into a refusal. */
async function withoutFactor(page) {
  await page.goto("/settings/policy");
  await page.getByText("This needs a second factor").waitFor();
  assert.equal(await page.getByRole("button", { name: "Change the policy" }).count(), 0);
  await audit(page, "policy-without-factor");
}

async function invite(page) {
  await page.goto("/settings/invitations");
  await audit(page, "invitations-empty");
  await page.getByLabel("E-mail address").fill(MEMBER.email);
  await page.getByLabel("Name, if you know it").fill(MEMBER.name);
  await page.getByRole("button", { name: "Send the invitation" }).click();
  await page.getByText("The invitation is on its way").waitFor();
  await page.getByText("waits until").waitFor();
  await audit(page, "invitations");
}

async function accept(world) {
  const visitor = await Visitor.create(world.browser, world.origin);
  const { page } = visitor;
  const link = linkTo(world.server, MEMBER.email, "invitation");
  await page.goto(link);
  await page.getByRole("heading", { name: `Join ${ADMIN.organisation}` }).waitFor();
  await audit(page, "invitation");
  await page.getByLabel("Password").fill("short");
  await visitor.allowing(/^422 POST \/invitation/, () => page.getByRole("button", { name: "Create the account" }).click());
  await page.locator('#password[aria-invalid="true"]').waitFor();
  assert.equal(await page.getByLabel("Your name").inputValue(), MEMBER.name);
  await page.getByLabel("Password").fill(MEMBER.password);
  await page.getByRole("button", { name: "Create the account" }).click();
  await page.getByRole("heading", { name: "What do you need to know?" }).waitFor();
  await visitor.allowing(/^404 GET \/invitation/, () => page.goto(link));
  await page.getByText("This invitation does not work").waitFor();
  await visitor.allowing(/^403 GET \/settings\/members/, () => page.goto("/settings/members"));
  await page.goto("/settings");
  assert.equal(await page.getByRole("link", { name: "Members" }).count(), 0, "a member is shown what a member may");
  await audit(page, "profile-member");
  return visitor;
}

async function openMember(page) {
  await page.goto("/settings/members");
  await page.getByLabel("Name or address").fill("jonas");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("link", { name: MEMBER.name }).click();
  await page.getByRole("heading", { name: MEMBER.name }).waitFor();
}

async function roles(admin) {
  const { page } = admin;
  await page.goto("/settings/members");
  await audit(page, "members");
  await openMember(page);
  await audit(page, "member");
  await page.getByLabel("Member asks experts").uncheck();
  await admin.allowing(/^422 POST/, () => page.getByRole("button", { name: "Change the roles" }).click());
  await page.getByText("Give at least one role.").waitFor();
  await page.getByLabel("Member asks experts").check();
  await page.getByLabel("Expert author").check();
  await page.getByRole("button", { name: "Change the roles" }).click();
  await page.getByText("The roles were changed.").waitFor();
  await page.getByText("Member, Expert author", { exact: true }).waitFor();
}

async function groups(page) {
  await page.goto("/settings/groups");
  await audit(page, "groups-empty");
  await page.getByText("Make a group…").click();
  await page.getByLabel("Name", { exact: true }).fill("Clinical development");
  await page.getByRole("button", { name: "Make the group" }).click();
  await page.getByText("The group was made.").waitFor();
  await page.getByText("Add a member…").click();
  await page.getByLabel("E-mail address of the member").fill(MEMBER.email);
  await page.getByRole("button", { name: "Add to the group" }).click();
  await page.getByRole("link", { name: MEMBER.name }).waitFor();
  await audit(page, "group");
  await page.goto("/settings/groups");
  await audit(page, "groups");
}

async function key(page, world) {
  await page.goto("/settings/keys");
  await audit(page, "keys-empty");
  await page.getByText("Make a key…").click();
  await audit(page, "keys-new");
  await page.getByLabel("Name of the program").fill("Nightly report");
  await page.getByLabel("Read and search documents").check();
  await page.getByRole("button", { name: "Make the key" }).click();
  await page.getByRole("heading", { name: "Your new key" }).waitFor();
  await audit(page, "keys-made");
  const secret = await page.locator("#secret").innerText();
  const call = (path) => fetch(`${world.origin}${path}`, { headers: { authorization: `Bearer ${secret}` } }).then((r) => r.status);
  assert.deepEqual([await call("/api/v1/documents"), await call("/api/v1/conversations")], [200, 403], "the key does what its scopes say and nothing else");
  await page.getByRole("link", { name: "Back to the keys" }).click();
  await page.getByRole("cell", { name: "Nightly report" }).waitFor();
  await audit(page, "keys");
  await page.getByText("Revoke…").click();
  await page.getByRole("button", { name: "Revoke the key" }).click();
  await page.getByText("The key was revoked.").waitFor();
  assert.equal(await call("/api/v1/documents"), 401, "a revoked key is refused at once");
}

async function services(page) {
  await page.goto("/settings/service-accounts");
  await audit(page, "services-empty");
  await page.getByText("Make a service account…").click();
  await page.getByLabel("Name of the program").fill("Document management");
  await page.getByLabel("Viewer reads").check();
  await page.getByRole("button", { name: "Make the account" }).click();
  await page.getByText("The service account was made.").waitFor();
  await audit(page, "services");
}

async function policy(admin) {
  const { page } = admin;
  await page.goto("/settings/policy");
  await page.getByLabel("A session ends without use").fill("90");
  await page.getByLabel("Other sites").fill("https://app.corvane.example\nhttps://*.example.org");
  await admin.allowing(/^422 POST/, () => page.getByRole("button", { name: "Change the policy" }).click());
  await page.getByText("Line 2:").waitFor();
  assert.equal(await page.getByLabel("A session ends without use").inputValue(), "90");
  await audit(page, "policy-refused");
  await page.getByLabel("A session ends without use").fill("30");
  await page.getByLabel("Other sites").fill("https://app.corvane.example");
  await page.getByRole("button", { name: "Change the policy" }).click();
  await page.getByText("The sign-in policy was changed.").waitFor();
  await audit(page, "policy");
}

async function deactivate(page, member) {
  await member.page.goto("/");
  await openMember(page);
  await page.getByText("Deactivate…").click();
  await page.getByText("sessions, keys and answers that are being written end").waitFor();
  await audit(page, "member-deactivate");
  await page.getByRole("button", { name: "Deactivate", exact: true }).click();
  await page.getByText("The access was taken away").waitFor();
  await member.page.goto("/conversations");
  await member.page.waitForURL(/\/sign-in/);
}

async function operator(admin, world) {
  const { page } = admin;
  await page.goto("/settings/operator-access");
  await audit(page, "operator-access-empty");
  const [tenant] = JSON.parse(await world.server.run("tenant", "list", "--json"));
  const flags = ["--tenant", tenant.slug, "--operator", "Ada Operator", "--reason", "Search finds nothing since the restore, ticket 4711."];
  const { id, token } = JSON.parse(await world.server.run("break-glass", "open", ...flags, "--json"));
  const visitor = await Visitor.create(world.browser, world.origin);
  await visitor.context.addCookies([{ name: "vital_session", value: token, url: world.origin }]);
  await visitor.page.goto("/settings/members");
  await visitor.page.getByText("Operator access: Ada Operator").waitFor();
  await audit(visitor.page, "operator-banner");
  await world.server.run("break-glass", "close", "--tenant", tenant.slug, id);
  await visitor.leave();
  await page.goto("/");
  await page.getByRole("link", { name: "see who, why and until when" }).click();
  await page.getByText("waits for its review").waitFor();
  await page.getByText("Review…").click();
  await audit(page, "operator-access");
  await page.getByLabel("What you found").fill("Looked at the audit trail: one search, as announced.");
  await page.getByRole("button", { name: "Sign off" }).click();
  await page.getByText("The opening was signed off.").waitFor();
  await audit(page, "operator-access-reviewed");
}
