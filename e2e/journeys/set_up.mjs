// The first minutes: the one-time link, the organisation and its administrator, an empty home.
import assert from "node:assert/strict";
import { ADMIN } from "../lib/app.mjs";
import { audit } from "../lib/audit.mjs";
import { Visitor } from "../lib/browser.mjs";

export default async function setUp(_step, world) {
  const visitor = await Visitor.create(world.browser, world.origin);
  const { page } = visitor;

  await page.goto("/");
  await page.waitForURL(/\/sign-in/);
  await page.getByText("This installation is new.").waitFor();
  await audit(page, "sign-in-new");

  await page.goto(world.server.setupLink);
  await audit(page, "set-up");
  await page.getByLabel("Organisation").fill(ADMIN.organisation);
  await page.getByLabel("Your name").fill(ADMIN.name);
  await page.getByLabel("E-mail address").fill(ADMIN.email);
  await page.getByLabel("Password").fill("too short");
  await visitor.allowing(/^422 POST \/setup$/, () => page.getByRole("button", { name: "Create and sign in" }).click());
  await page.locator('#password[aria-invalid="true"]').waitFor();
  assert.equal(await page.getByLabel("Organisation").inputValue(), ADMIN.organisation, "nothing that was typed is lost");
  await audit(page, "set-up-refused");
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.getByRole("button", { name: "Create and sign in" }).click();
  await page.getByRole("heading", { name: "What do you need to know?" }).waitFor();

  await audit(page, "home-empty");
  await page.goto("/library");
  await audit(page, "library-empty");
  await page.goto("/conversations");
  await audit(page, "history-empty");

  await visitor.allowing(/^\d+ GET \/setup$/, () => page.goto(world.server.setupLink));
  await page.getByText("This installation is set up already.").waitFor();
  world.session = await visitor.context.storageState();
  await visitor.leave();
}
