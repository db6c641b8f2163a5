// The forms of the settings: behind a word that opens them, with a field for a code where one is asked for.

/** Fills the field for a code where the form asks for one. */
export async function code(form, world) {
  const field = form.getByLabel("Code of your authenticator app");
  if (await field.count()) await field.fill(await world.app.code());
}

/** Opens what is behind a word, unless it is open. */
export async function open(page, words) {
  const fold = page.locator("details.act").filter({ has: page.locator("summary", { hasText: words }) }).first();
  if (await fold.evaluate((details) => !details.open)) await fold.locator("summary").click();
  return fold;
}
