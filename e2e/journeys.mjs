// Runs the journeys in order on one server. Later ones meet what earlier ones left, as people do.
import { test } from "node:test";
import { launch } from "./lib/browser.mjs";
import { studyReport } from "./lib/documents.mjs";
import { ScriptedProvider } from "./lib/provider.mjs";
import { Server } from "./lib/server.mjs";

const wanted = process.argv.slice(2);
/** In order. The first makes what the others need; the last two restart the server with a scripted provider. */
const ORDER = ["set_up", "whole_job", "bad_files", "keyboard", "no_scripts", "pages", "budget", "provider", "resume"];
const WITH_PROVIDER = ["provider", "resume"];
const named = ORDER.filter((name) => name === "set_up" || !wanted.length || wanted.includes(name));
const unknown = wanted.filter((name) => !ORDER.includes(name));
if (unknown.length) throw new Error(`there is no journey ${unknown.join(", ")}; there are ${ORDER.join(", ")}`);

await test("browser journeys", async (t) => {
  const [server, browser, provider] = await Promise.all([Server.create().then((s) => s.start()), launch(), ScriptedProvider.create()]);
  const world = { server, browser, provider, origin: server.origin, report: await studyReport(browser) };
  let byProvider = false;
  try {
    for (const name of named) {
      if (WITH_PROVIDER.includes(name) && !byProvider) {
        byProvider = true;
        await server.stop();
        await server.start(provider.config);
      }
      const { default: journey } = await import(`./journeys/${name}.mjs`);
      await t.test(name, (step) => journey(step, world));
    }
  } finally {
    await browser.close();
    provider.close();
    await server.stop();
    server.remove();
  }
});
