// What models cost: before there was any, with and without a price, budgets that warn and stop, weeks of it with a forecast, and the table.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { ADMIN, ask, ended, signIn } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { sql } from "../lib/database.mjs";
import { open } from "../lib/forms.mjs";

const QUESTION = "What are the five attributes of an estimand under ICH E9(R1)?";
const PAGE = "/settings/usage";
/** The installation has a provider, for which no price is known. */
export const config = ({ provider }) => provider.config;

export default async function usage(step, world) {
  const admin = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = admin;
  await page.goto("/");
  if (page.url().includes("/sign-in")) await signIn(page);
  await sql(world.server, "delete from usage_ledger; delete from budgets;");
  await step.test("before a model was asked", () => empty(page));
  await step.test("an answer without a price", () => unpriced(page, world));
  await step.test("amounts that cannot be are refused field by field", () => refused(admin));
  await step.test("a price, and what the next answer costs", () => priced(page, world));
  await step.test("a budget by keyboard, its warning and its end", () => budget(page, world));
  await step.test("four weeks of it, and a forecast", () => weeks(page, world));
  await step.test("the table", () => table(page));
  world.session = await admin.context.storageState();
  await admin.leave();
}

async function empty(page) {
  await page.goto(PAGE);
  await page.getByText("No model was asked in these days.").waitFor();
  await page.getByText("There is no budget, so requests to models are limited by nothing but the providers.").waitFor();
  await audit(page, "usage-empty");
}

async function answered(page, world, counted) {
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  const stream = await world.provider.next();
  stream.write("An estimand has five attributes [1].\n");
  stream.end(counted);
  assert.equal(await ended(turn), "answered");
}

/** Reloads until the page says something: what an answer came to is counted after its end. */
async function shows(page, words) {
  const until = Date.now() + 60_000;
  for (;;) {
    await page.goto(PAGE);
    if (await page.getByText(words).count()) return;
    assert.ok(Date.now() < until, `the page shows ${words}`);
  }
}

async function unpriced(page, world) {
  await answered(page, world, { read: 2_000, written: 300 });
  await shows(page, "1 request has no price and no cost here.");
  await page.getByText("$0.00 for 1 request").or(page.getByText("for 1 request: 2000 tokens read")).first().waitFor();
  await page.getByRole("cell", { name: "no price" }).first().waitFor();
  await audit(page, "usage-without-price");
}

async function refused(admin) {
  const { page } = admin;
  const form = await open(page, "Set a budget…");
  await admin.allowing(/^422 POST \/settings\/usage\/budgets$/, () => form.getByRole("button", { name: "Set the budget" }).click());
  await form.getByRole("alert").waitFor();
  await form.getByText("Give a limit in tokens, in money, or in both.").waitFor();
  assert.equal(await form.getByLabel("Tokens").getAttribute("aria-invalid"), "true");
  await audit(page, "usage-budget-refused");
}

async function priced(page, world) {
  await page.goto(PAGE);
  const form = await open(page, "Set the price of scripted…");
  await form.getByLabel("US dollars for a million tokens read").fill("3");
  await form.getByLabel("US dollars for a million tokens written").fill("15");
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("$3 for a million tokens read, $15 for a million written (set here)").waitFor();
  await answered(page, world, { read: 2_000, written: 300 });
  // 2,000 at 3 and 300 at 15 dollars a million.
  await shows(page, "$0.01 for 2 requests");
  await page.getByText("$0.01").first().waitFor();
}

async function budget(page, world) {
  await page.goto(PAGE);
  const summary = page.locator("summary", { hasText: "Set a budget…" });
  await summary.focus();
  await page.keyboard.press("Enter");
  const form = await open(page, "Set a budget…");
  await form.getByLabel("Tokens").fill("5000");
  await form.getByRole("button", { name: "Set the budget" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("The whole organisation: the monthly budget is nearly used up.").waitFor();
  await page.getByText("4600 of 5000 tokens").waitFor();
  await audit(page, "usage-budget-warning");
  await page.goto("/");
  const turn = await ask(page, QUESTION);
  assert.equal(await ended(turn), "failed");
  await turn.getByText("There is not enough left of your organisation's monthly budget").waitFor();
  await keep(page, "usage-budget-stops");
  await page.goto(PAGE);
  const higher = await open(page, "Set a budget…");
  await higher.getByLabel("Tokens").fill("4000");
  await higher.getByRole("button", { name: "Set the budget" }).click();
  await page.getByText("the monthly budget is used up. Requests are refused until it renews or is raised.").waitFor();
  await audit(page, "usage-budget-used-up");
  await page.getByRole("button", { name: "Remove the budget of The whole organisation" }).click();
  await page.getByText("There is no budget, so requests to models").waitFor();
  await answered(page, world, { read: 2_000, written: 300 });
}

async function weeks(page, world) {
  await sql(world.server, `
    insert into usage_ledger (tenant_id, id, at, settled_at, user_id, expert_id, purpose, provider, model, input_tokens, cached_input_tokens, cache_write_tokens,
      output_tokens, reasoning_tokens, cost_pico, basis)
    select m.tenant_id, gen_random_uuid(), now() - make_interval(days => d), now() - make_interval(days => d), case when n = 3 then null else m.id end,
      case when n = 2 then null else (select e.id from experts e where e.tenant_id = m.tenant_id order by e.id offset n limit 1) end,
      case when n = 2 then 'direct' else 'answer' end, case when n = 3 then 'Corvane models' else 'scripted' end, case when n = 3 then 'large' else 'scripted' end,
      4000 * n + 100 * d, 1000, 0, 600 * n, 0, (4000 * n + 100 * d) * 3000000::bigint + 600 * n * 15000000::bigint, 'reported'
    from members m cross join generate_series(1, 28) d cross join generate_series(1, 3) n where m.email = '${ADMIN.email}' and extract(isodow from now() - make_interval(days => d)) < 6;
  `);
  await page.goto(PAGE);
  await page.getByText("If it goes on as the last 28 days did, the month will cost about").waitFor();
  const chart = page.getByRole("img", { name: /^Cost of each day/ });
  await chart.waitFor();
  assert.ok((await chart.locator("rect").count()) >= 28);
  for (const part of ["By day", "By model", "By expert", "By person"]) await page.getByRole("heading", { name: part }).waitFor();
  await page.locator("summary", { hasText: "As a table" }).click();
  await audit(page, "usage");
  await page.getByRole("link", { name: "Show my own use" }).click();
  await page.getByText("What your own questions and keys used.").waitFor();
  assert.equal(await page.getByRole("heading", { name: "By person" }).count(), 0);
  await audit(page, "usage-own");
  await page.getByRole("link", { name: "Show everybody's use" }).click();
}

async function table(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download as table (CSV)" }).click()]);
  const rows = (await readFile(await download.path(), "utf8")).trimEnd().split("\r\n");
  assert.ok(rows[0].startsWith("id,at,settled_at,person_id,person,") && rows.length > 60, `${rows.length} rows`);
  assert.ok(rows.some((row) => row.includes(",0.0105,reported")), "costs are exact");
}
