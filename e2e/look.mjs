import { launch } from "./lib/browser.mjs";
import { ask, ended } from "./lib/app.mjs";
const [link, origin] = process.argv.slice(2);
const browser = await launch();
const ctx = await browser.newContext({ baseURL: origin, viewport: { width: 1280, height: 900 } });
ctx.setDefaultTimeout(60000);
const page = await ctx.newPage();
page.on("console", (m) => m.type() === "error" && console.log("console", m.text()));
await page.goto(link);
await page.getByLabel("Organisation").fill("Corvane"); await page.getByLabel("Your name").fill("Mira Okafor");
await page.getByLabel("E-mail address").fill("mira@corvane.example"); await page.getByLabel("Password").fill("a long sentence works well here");
await page.getByRole("button", { name: "Create and sign in" }).click();
await page.getByRole("heading", { name: "What do you need to know?" }).waitFor();
const turn = await ask(page, "When must a sponsor report a suspected unexpected serious adverse reaction to FDA?");
console.log("turn", await ended(turn));
for (const [w, scheme] of [[1280, "light"], [1280, "dark"], [360, "light"], [360, "dark"]]) {
  await page.setViewportSize({ width: w, height: 900 }); await page.emulateMedia({ colorScheme: scheme });
  for (const path of ["/settings/usage", "/settings/providers", "/settings/tools", "/docs"]) {
    await page.goto(path); if (path === "/docs") await page.getByText("compatible").first().waitFor();
    await page.screenshot({ path: `/tmp/look2/${path.split("/").pop()}-${w}-${scheme}.png` });
  }
}
await browser.close();
