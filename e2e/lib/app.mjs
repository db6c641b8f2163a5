// What people do in the application, in steps that journeys share.
import assert from "node:assert/strict";

export const ADMIN = { organisation: "Corvane Therapeutics", name: "Mira Okafor", email: "mira@corvane.example", password: "a long sentence works well here" };

export async function signIn(page, { email, password } = ADMIN) {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Asks with the composer of the page and returns the new turn. */
export async function ask(page, question, expert) {
  if (expert !== undefined) await page.locator('select[name="expert"]').selectOption(expert);
  await page.locator("#question").fill(question);
  await Promise.all([page.waitForURL(/\/conversations\/[0-9a-f-]+(#|$)/), page.getByRole("button", { name: "Ask", exact: true }).click()]);
  const turn = page.locator(".turn").filter({ has: page.locator(".question").getByText(question, { exact: true }) }).last();
  await turn.waitFor();
  return turn;
}

/** Waits until a turn has ended and returns how. */
export async function ended(turn) {
  const done = turn.and(turn.page().locator('.turn:not([data-state="running"])'));
  await done.waitFor();
  return turn.getAttribute("data-state");
}

/** Opens a citation and checks that the words marked in the pane are those of its quote. */
export async function openCitation(turn, chip) {
  const page = turn.page();
  const n = await chip.getAttribute("data-n");
  const quote = await turn.locator(`.sources li[data-n="${n}"] blockquote`).textContent();
  await chip.click();
  const pane = page.locator(".pane");
  await pane.locator(".pane-body:not([aria-busy]) mark").first().waitFor();
  // Between two lines of a source stand one or two breaks, which no mark covers.
  assert.equal((await pane.locator("mark").allTextContents()).join("\n"), quote.replaceAll(/\n+/g, "\n"), "the marked words are the quote of the citation");
  await inView(pane.locator("mark").first());
  return { pane, quote };
}

/** Checks that an element is where a reader sees it without scrolling. */
export async function inView(locator) {
  const seen = await locator.evaluate((element) => new Promise((resolve) => {
    new IntersectionObserver(([entry], observer) => { observer.disconnect(); resolve(entry.intersectionRatio); }).observe(element);
  }));
  assert.ok(seen > 0.9, `the element is in view (${seen})`);
}

/** The row of a document in the library, by its file name or title. */
export const documentRow = (page, text) => page.locator(".doc-row").filter({ hasText: text });
