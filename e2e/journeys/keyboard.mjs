// Without a mouse: sign in, ask, open a citation, go through the citations, close the pane.
import assert from "node:assert/strict";
import { ADMIN, ended, inView } from "../lib/app.mjs";
import { Visitor, keep } from "../lib/browser.mjs";

/** Most presses of Tab on the way from one thing to the next. */
const STEPS_MAX = 60;

export default async function keyboard(step, world) {
  const visitor = await Visitor.create(world.browser, world.origin);
  const { page } = visitor;
  await step.test("sign in and ask", () => signInAndAsk(page));
  await step.test("the source pane beside the answer", () => pane(page));
  await step.test("the source pane over the answer on a narrow screen", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await narrow(page);
  });
  await visitor.leave();
}

const focused = (page, selector) => page.evaluate((selector) => document.activeElement?.matches(selector) ?? false, selector);

async function tabTo(page, selector) {
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    if (await focused(page, selector)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${selector} cannot be reached with ${STEPS_MAX} presses of Tab`);
}

async function signInAndAsk(page) {
  await page.goto("/sign-in");
  assert.ok(await focused(page, "#email"), "the first field has the focus");
  await page.keyboard.type(ADMIN.email);
  await page.keyboard.press("Tab");
  await page.keyboard.type(ADMIN.password);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/");
  await page.locator("#question").waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("/");
  assert.ok(await focused(page, "#question"), "the slash leads to the composer");
  await page.keyboard.type("What are the five attributes of an estimand under ICH E9(R1)?");
  await page.keyboard.press("Control+Enter");
  await page.waitForURL(/\/conversations\//);
  assert.equal(await ended(page.locator(".turn").last()), "answered");
}

async function pane(page) {
  await page.evaluate(() => document.activeElement?.blur());
  await tabTo(page, ".answer .cite");
  const first = await page.evaluate(() => document.activeElement.href);
  await page.locator("#preview").waitFor();
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "the focus is visible");
  await keep(page, "keyboard-preview", false);
  await page.keyboard.press("Enter");
  await page.locator(".pane-body:not([aria-busy]) mark").first().waitFor();
  await inView(page.locator(".pane mark").first());
  if ((await page.locator(".answer .cite").count()) > 1) {
    await page.keyboard.press("ArrowRight");
    assert.notEqual(await page.evaluate(() => document.activeElement.href), first, "the arrow leads to the next citation");
    await page.keyboard.press("ArrowLeft");
  }
  await keep(page, "keyboard-pane", false);
  await page.keyboard.press("Escape");
  await page.locator(".pane").waitFor({ state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement.href), first, "the focus is back where it came from");
}

async function narrow(page) {
  await page.keyboard.press("Enter");
  await page.locator(".pane-body:not([aria-busy]) mark").first().waitFor();
  assert.ok(await focused(page, ".pane .js-close"), "the focus is in the pane that covers the page");
  for (let steps = 0; steps < 8; steps += 1) {
    await page.keyboard.press("Tab");
    assert.ok(!(await focused(page, ".thread *, .top *, .foot *")), "the focus does not go behind the pane");
  }
  await keep(page, "keyboard-pane-narrow", false);
  await page.keyboard.press("Escape");
  assert.ok(await focused(page, ".answer .cite"), "the focus is back where it came from");
}
