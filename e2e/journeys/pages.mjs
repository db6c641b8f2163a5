// Every page, light and dark, wide and narrow.
import { ask, ended } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor, keep } from "../lib/browser.mjs";
import { UNANSWERABLE } from "../lib/documents.mjs";

const QUESTION = "When is a 7-day IND safety report due, and when does the clock start?";

export default async function pages(step, world) {
  const visitor = await Visitor.create(world.browser, world.origin, { storageState: world.session });
  const { page } = visitor;
  const look = (name, path) => step.check(name, async () => {
    await page.goto(path);
    await audit(page, name);
  });

  await look("home", "/");
  await step.check("conversation", async () => {
    await page.goto("/");
    await ended(await ask(page, QUESTION));
    await audit(page, "conversation");
    for (const summary of ["How sure, and why", "Why this expert", "What was searched"]) await page.locator(".turn > details > summary", { hasText: summary }).click();
    await audit(page, "conversation-open");
    await page.locator(".answer .cite").first().click();
    await page.locator(".pane mark").first().waitFor();
    await audit(page, "conversation-pane");
    world.answered = new URL(page.url()).pathname;
  });
  await step.check("refused", async () => {
    await page.goto("/");
    await ended(await ask(page, UNANSWERABLE));
    await audit(page, "refused");
  });
  await look("history", "/conversations");
  await look("experts", "/experts");
  await step.check("expert", async () => {
    await page.goto("/experts");
    await page.locator(".card a").first().click();
    await page.waitForURL(/\/experts\/.+/);
    await audit(page, "expert");
  });
  await look("library", "/library");
  await look("library-starter", "/library?starter=true");
  await step.check("document", async () => {
    await page.goto(world.answered);
    await page.goto(await page.locator(".answer .cite").first().getAttribute("href"));
    await audit(page, "document");
  });
  await look("search", "/search");
  await look("search-hits", "/search?q=serious+adverse+event+report");
  await look("settings", "/settings");
  await step.check("menu", async () => {
    await page.goto("/");
    await page.locator("details.menu summary").click();
    await audit(page, "menu");
  });
  await step.check("not found", () => visitor.allowing(/^404 GET /, async () => {
    await page.goto("/library/documents/00000000-0000-7000-8000-000000000000");
    await audit(page, "not-found");
  }));
  await step.check("theme chosen by the reader", async () => {
    await page.goto("/");
    await page.getByRole("button", { name: "Switch between light and dark" }).click();
    await page.locator('html[data-theme="dark"]').waitFor();
    await page.reload();
    await page.locator('html[data-theme="dark"]').waitFor();
  });
  await step.check("API description", async () => {
    await page.goto("/docs");
    await page.getByText("/api/v1/documents", { exact: false }).first().waitFor();
    await keep(page, "api-docs", false);
  });
  await visitor.leave();
}
