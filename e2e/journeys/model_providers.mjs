// What writes answers: an organisation's own provider, set up, refused, tested, put in order, switched off, and the installation's forbidden.
import assert from "node:assert/strict";
import { ADMIN, ask, ended, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor } from "../lib/browser.mjs";
import { addAuthenticator } from "../lib/factors.mjs";
import { code, open } from "../lib/forms.mjs";

const NAME = "Corvane models";
const KEY = "sk-corvane-0123456789";
const QUESTION = "What are the five attributes of an estimand under ICH E9(R1)?";
const PAGE = "/settings/providers";
/** The installation has a provider, and an organisation may have one on this machine. */
export const config = ({ provider }) => `[identity]\nallow_loopback_issuers = true\n\n${provider.config}`;

export default async function modelProviders(step, world) {
  const admin = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = admin;
  await page.goto("/");
  if (page.url().includes("/sign-in")) await signIn(page);
  if (!world.app) await step.test("a second factor", async () => Object.assign(world, await addAuthenticator(page, ADMIN.password)));
  await step.test("before there is one", () => empty(page));
  await step.test("a provider that cannot be is refused field by field", () => refused(admin, world));
  await step.test("add a provider", () => add(page, world));
  await step.test("test its model", () => test(page, world));
  await step.test("a second model, and their order by keyboard", () => order(admin));
  await step.test("an expert with models of its own", () => expert(admin));
  await step.test("it writes the next answer", () => answers(page, world));
  await step.test("switch it off, and forbid the installation's", () => off(page, world));
  world.session = await admin.context.storageState();
  await admin.leave();
}

async function empty(page) {
  await page.goto(PAGE);
  await page.getByText("No model of your own is in use, so").waitFor();
  await page.getByText("With a provider of your own").waitFor();
  await audit(page, "providers-empty");
}

async function refused(admin, world) {
  const { page } = admin;
  const form = await open(page, "OpenAI…");
  await form.getByLabel("Name, as your colleagues see it").fill(NAME);
  await form.getByLabel("Address").fill("http://models.corvane.example/v1");
  await form.getByLabel("Key", { exact: true }).fill("a key with blanks");
  await form.getByLabel("Model", { exact: true }).fill("scripted");
  await code(form, world);
  await admin.allowing(/^422 POST \/settings\/providers$/, () => form.getByRole("button", { name: "Add the provider" }).click());
  await form.getByRole("alert").waitFor();
  for (const [label, fault] of [["Address", /https/], ["Key", /visible characters/]]) {
    const field = form.getByLabel(label, { exact: true });
    assert.equal(await field.getAttribute("aria-invalid"), "true", `${label} is marked`);
    assert.match(await page.locator(`#${await field.getAttribute("aria-describedby")}`).innerText(), fault);
  }
  assert.equal(await form.getByLabel("Name, as your colleagues see it").inputValue(), NAME, "what was typed is kept");
  assert.equal(await form.getByLabel("Address").inputValue(), "http://models.corvane.example/v1");
  assert.equal(await form.getByLabel("Model", { exact: true }).inputValue(), "scripted");
  assert.equal(await form.getByLabel("Key", { exact: true }).inputValue(), "", "a key is not");
  await audit(page, "providers-refused");
}

async function add(page, world) {
  const form = await open(page, "OpenAI…");
  await form.getByLabel("Address").fill(world.provider.address);
  await form.getByLabel("Key", { exact: true }).fill(KEY);
  await code(form, world);
  await form.getByRole("button", { name: "Add the provider" }).click();
  await page.getByRole("heading", { name: NAME }).waitFor();
  assert.ok(!(await page.content()).includes(KEY), "a key is never shown");
  await audit(page, "provider");
}

async function test(page, world) {
  const form = await open(page, "Test it… scripted");
  await code(form, world);
  const writes = world.provider.next().then((stream) => { stream.write("ready"); stream.end(); });
  await Promise.all([writes, form.getByRole("button", { name: "Test the model" }).click()]);
  await page.getByRole("status").getByText("scripted:").waitFor();
  await page.getByText("last test: answered").waitFor();
  await audit(page, "provider-tested");
}

async function order(admin) {
  const { page } = admin;
  const form = await open(page, "Add a model…");
  await form.getByLabel("Model", { exact: true }).fill("scripted-large");
  await form.getByLabel("Most tokens of one answer").fill("plenty");
  await form.getByLabel("Temperature").fill("warm");
  await admin.allowing(/^422 POST/, () => form.getByRole("button", { name: "Add the model" }).click());
  await form.getByText("Write a whole number of tokens.").waitFor();
  await form.getByText("Write a number such as 0.2.").waitFor();
  assert.equal(await form.getByLabel("Most tokens of one answer").inputValue(), "plenty", "what was typed is kept");
  await form.getByLabel("Most tokens of one answer").fill("4096");
  await form.getByLabel("Temperature").fill("0.1");
  await form.getByRole("button", { name: "Add the model" }).click();
  await page.getByRole("heading", { name: "scripted-large" }).waitFor();
  await page.goto(PAGE);
  const names = () => page.locator('#order-h ~ table td[data-label="Model"]').allInnerTexts();
  assert.deepEqual(await names(), ["1. scripted", "2. scripted-large"]);
  await page.getByRole("button", { name: "Move scripted-large up" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/#m-/);
  assert.deepEqual(await names(), ["1. scripted-large", "2. scripted"]);
  await page.getByRole("button", { name: "Move scripted-large down" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("1. scripted", { exact: true }).waitFor();
  assert.deepEqual(await names(), ["1. scripted", "2. scripted-large"]);
  await audit(page, "providers");
}

async function expert(admin) {
  const { page } = admin;
  const list = await open(page, "Choose the models of an expert…");
  await list.getByRole("link").first().click();
  const first = page.getByLabel("First");
  const second = page.getByLabel("If that one cannot answer").first();
  for (const select of [first, second]) await select.selectOption({ label: "scripted-large at Corvane models" });
  await admin.allowing(/^422 POST/, () => page.getByRole("button", { name: "Save" }).click());
  await page.getByText("This model is named twice.").waitFor();
  const chosen = (select) => select.evaluate((element) => element.selectedOptions[0].text);
  assert.deepEqual([await chosen(first), await chosen(second)], Array(2).fill("scripted-large at Corvane models"), "what was chosen is kept");
  await audit(page, "provider-expert");
  await second.selectOption("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("region", { name: "Experts with models of their own" }).getByText(": scripted-large").waitFor();
}

async function answers(page, world) {
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  const stream = await world.provider.next();
  assert.equal(stream.key, `Bearer ${KEY}`, "it is the organisation's provider that is asked");
  stream.write("An estimand has five attributes [1].\n");
  stream.end();
  assert.equal(await ended(turn), "answered");
}

async function off(page, world) {
  await page.goto(PAGE);
  await page.getByRole("link", { name: NAME }).first().click();
  const form = await open(page, "Switch it off…");
  await code(form, world);
  await form.getByRole("button", { name: "Switch it off" }).click();
  await page.getByText("switched off", { exact: true }).waitFor();
  await page.goto(PAGE);
  await page.getByText("not used: its provider is switched off").first().waitFor();
  await page.getByText("No model of your own is in use, so").waitFor();
  const installation = await open(page, "Forbid it…");
  await code(installation, world);
  await installation.getByRole("button", { name: "Forbid it" }).click();
  await page.getByText("It may not write your answers.").waitFor();
  await page.getByText("Extractive:").waitFor();
  await audit(page, "providers-off");
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  assert.equal(await ended(turn), "answered", "nobody has to write it");
  await turn.getByText("Extractive: sentences of your sources").waitFor();
}
