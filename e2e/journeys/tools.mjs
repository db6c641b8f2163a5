// Tools in answers: what may leave is allowed, an expert is given tools, a model calls them while the reader looks on, and what changes something waits.
import assert from "node:assert/strict";
import { ADMIN, ask, ended, openCitation, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { addAuthenticator } from "../lib/factors.mjs";
import { code, open } from "../lib/forms.mjs";
import { ScriptedToolServer, tool } from "../lib/tool_server.mjs";

const EXPERT = "trial-biostatistician";
const QUESTION = "How many participants does each group of the trial need?";
const SIGN = "corvane-notebook__sign_entry";
const ENTRY = "Sample size of VP-301 agreed.";
/** The installation has a provider, and an organisation may have a tool server on this machine. */
export const config = ({ provider }) => `[identity]\nallow_loopback_issuers = true\n\n${provider.config}`;

export default async function tools(step, world) {
  const server = await ScriptedToolServer.create([tool("sign_entry", "Signs an entry of the notebook.", { title: "Sign an entry" })]);
  const admin = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = admin;
  try {
    await page.goto("/");
    if (page.url().includes("/sign-in")) await signIn(page);
    if (!world.app) await step.test("a second factor", async () => Object.assign(world, await addAuthenticator(page, ADMIN.password)));
    await step.test("allow the installation's provider", () => provider(page, world));
    await step.test("public sources are closed, and are opened", () => policy(page, world));
    await step.test("connect a tool that writes", () => connect(page, world, server));
    await step.test("give an expert its tools", () => grant(page, world));
    await step.test("a calculation shows as it is made", () => calculation(page, world));
    await step.test("its text opens as a source", () => source(page));
    await step.test("a call that changes something waits, and is not made", () => decided(page, world, server, "Do without", 0));
    await step.test("another one is made", () => decided(page, world, server, "Make the call", 1));
    await step.test("take the tools away again", () => close(page, world));
  } finally {
    server.close();
  }
  world.session = await admin.context.storageState();
  await admin.leave();
}

/** Where an earlier journey forbade it. */
async function provider(page, world) {
  await page.goto("/settings/providers");
  if (!(await page.getByText("It may not write your answers.").count())) return;
  const form = await open(page, "Allow it…");
  await code(form, world);
  await form.getByRole("button", { name: "Allow it" }).click();
  await page.getByText("It may not write your answers.").waitFor({ state: "detached" });
}

async function policy(page, world) {
  await page.goto("/settings/tools");
  await page.getByText("not allowed at present").first().waitFor();
  await audit(page, "tools-closed");
  const box = page.getByLabel("Experts may search public sources");
  assert.equal(await box.isChecked(), false, "at first nothing leaves");
  await box.check();
  const form = page.locator('form[action="/settings/tools"]');
  await code(form, world);
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("What may leave the organisation through tools was changed.").waitFor();
  assert.equal(await page.getByText("not allowed at present").count(), 0);
  assert.equal(await page.getByLabel("Experts may search public sources").isChecked(), true);
}

async function connect(page, world, server) {
  await page.goto("/settings/tool-servers");
  const form = await open(page, "Connect a tool server…");
  await form.getByLabel("Name, as your colleagues see it").fill("Corvane notebook");
  await form.getByLabel("Address").fill(server.address);
  await code(form, world);
  await form.getByRole("button", { name: "Connect the server" }).click();
  await page.getByRole("heading", { name: "Corvane notebook" }).waitFor();
  const look = await open(page, "Test it and read its tools…");
  await code(look, world);
  await look.getByRole("button", { name: "Test the server" }).click();
  const sign = await open(page, "Approve it… sign_entry");
  await code(sign, world);
  await sign.getByRole("button", { name: "Approve the tool" }).click();
  await page.getByText("approved; a person agrees to every call").waitFor();
}

async function grant(page, world) {
  await page.goto(`/experts/${EXPERT}`);
  await page.getByRole("link", { name: "What it may use" }).click();
  assert.ok(await page.getByLabel(/^Calculator with units/).isChecked(), "what comes with the expert is ticked");
  await page.getByLabel(/^Sign an entry/).check();
  await page.getByLabel(/^PubMed search/).uncheck();
  await audit(page, "expert-tools");
  const form = page.locator(`form[action="/experts/${EXPERT}/tools"]`);
  await code(form, world);
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("The tools of the expert were changed.").waitFor();
  assert.ok(await page.getByLabel(/^Sign an entry/).isChecked());
  assert.equal(await page.getByLabel(/^PubMed search/).isChecked(), false);
}

/** The number of the last passage that the model was given by a tool. */
function numbered(asked) {
  const told = asked.messages.filter((message) => message.role === "tool").at(-1).content;
  return [...told.matchAll(/passage number="(\d+)"/g)].at(-1)[1];
}

async function calculation(page, world) {
  await page.goto("/");
  const turn = await ask(page, QUESTION, EXPERT);
  const first = await world.provider.next();
  const offered = first.asked.tools.map((offer) => offer.function.name);
  assert.ok(["calculate", "sample_size_two_means", SIGN].every((name) => offered.includes(name)) && !offered.includes("pubmed_search"), offered.join(" "));
  first.call("sample_size_two_means", { difference: 5, standard_deviation: 14, power: 0.9, alpha: 0.05 });
  const second = await world.provider.next();
  // The model has not written a word: the reader sees the call and what came of it.
  const used = turn.locator(".tools");
  assert.equal(await turn.getAttribute("data-state"), "running");
  await used.locator("summary").click();
  await used.getByText("1 passage to cite.").waitFor();
  await used.getByRole("link", { name: "Sample size for two means" }).waitFor();
  await keep(page, "turn-tools-running", false);
  const [, size] = second.asked.messages.at(-1).content.match(/sizes, group 1: (\d+)/);
  second.write(`The sample size is ${size} in each group [${numbered(second.asked)}].\n`);
  second.end();
  assert.equal(await ended(turn), "answered");
  await turn.getByText(`The sample size is ${size} in each group`).waitFor();
  await turn.locator(".sources").getByText("calculated here").first().waitFor();
  await audit(page, "turn-tools");
  await page.reload();
  await page.locator(".tools summary").last().click();
  await page.locator(".tools").last().getByText("1 passage to cite.").waitFor();
}

async function source(page) {
  const turn = page.locator(".turn").last();
  const { pane, quote } = await openCitation(turn, turn.locator(".answer [data-n]").first());
  await pane.getByText("calculated here").waitFor();
  assert.match(quote, /power: 0.9 \(90 %\)/);
  await keep(page, "turn-tools-source-pane", false);
  await page.goto(await turn.locator(".tools a").first().getAttribute("href"));
  await page.getByRole("heading", { name: "Sample size for two means" }).waitFor();
  await page.getByText("SHA-256 of the text").waitFor({ state: "attached" });
  await audit(page, "source");
  await page.getByRole("link", { name: "The answer that it was made for" }).click();
  await page.locator(".turn").last().waitFor();
}

async function decided(page, world, server, choice, calls) {
  await page.goto("/");
  const turn = await ask(page, QUESTION, EXPERT);
  (await world.provider.next()).call(SIGN, { text: ENTRY });
  const form = turn.locator(".tool-decision");
  await form.getByText("This tool can change something elsewhere. Shall this call be made?").waitFor();
  await turn.getByText("waits for you").waitFor();
  await turn.getByText(ENTRY).waitFor();
  assert.equal(server.calls.length, 0, "nothing is done while nobody has decided");
  await audit(page, `tool-waits-${calls}`);
  const button = form.getByRole("button", { name: choice });
  await button.focus();
  await page.keyboard.press("Enter");
  const after = await world.provider.next();
  assert.equal(server.calls.length, calls);
  after.write(calls ? `The entry was signed [${numbered(after.asked)}].\n` : "The number needs the standard deviation [1].\n");
  after.end();
  assert.equal(await ended(turn), "answered");
  assert.equal(await form.count(), 0);
  await turn.getByText(calls ? "1 passage to cite." : "did not approve this call").waitFor();
}

async function close(page, world) {
  await page.goto("/settings/tools");
  await page.getByLabel("Experts may search public sources").uncheck();
  const form = page.locator('form[action="/settings/tools"]');
  await code(form, world);
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("not allowed at present").first().waitFor();
  await page.goto("/settings/tool-servers");
  await page.getByRole("link", { name: "Corvane notebook" }).click();
  const remove = await open(page, "Remove it…");
  await code(remove, world);
  await remove.getByRole("button", { name: "Remove the server" }).click();
  await page.getByText("The tool server was removed").waitFor();
}
