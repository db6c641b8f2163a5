// A page as everybody meets it: light and dark, wide and narrow. Screenshots are kept, rules of accessibility checked.
import assert from "node:assert/strict";
import { AxeBuilder } from "@axe-core/playwright";
import { keep } from "./browser.mjs";

const WIDTHS = [1280, 360];
const SCHEMES = ["light", "dark"];
const RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"];

/** Checks the page as it stands in both widths and both colour schemes, and leaves it wide and light. */
export async function audit(page, name) {
  const faults = [];
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      await keep(page, `${name}-${width}-${colorScheme}`);
      const { violations } = await new AxeBuilder({ page }).withTags(RULES).setLegacyMode(true).analyze();
      for (const { id, impact, nodes } of violations) {
        if (impact === "serious" || impact === "critical") faults.push(`${width} ${colorScheme}: ${id} (${impact}) at ${nodes.map((n) => n.target.join(" ")).join(", ")}`);
      }
    }
    const { wide, culprits } = await page.evaluate(overflow);
    if (wide) faults.push(`${width}: scrolls sideways by ${wide} px because of ${culprits.join(", ")}`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  assert.deepEqual(faults, [], `${name} reads well everywhere`);
}

/** Runs in the page: how far it scrolls sideways, and which elements stand out. */
function overflow() {
  const root = document.documentElement;
  const wide = root.scrollWidth - root.clientWidth;
  const out = wide > 0 ? [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1).map((e) => `${e.tagName.toLowerCase()}.${e.className}`) : [];
  return { wide, culprits: out.slice(0, 5) };
}
