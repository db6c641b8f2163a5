// Runs the journeys in order on one server. Later ones meet what earlier ones left, as people do.
import { launch } from "./lib/browser.mjs";
import { studyReport } from "./lib/documents.mjs";
import { ScriptedProvider } from "./lib/provider.mjs";
import { Server } from "./lib/server.mjs";
import { Steps } from "./lib/steps.mjs";

/** In order. The first makes the account that the others use. */
const ORDER = ["set_up", "whole_job", "bad_files", "keyboard", "no_scripts", "pages", "budget", "provider", "resume", "passkey", "security", "people", "audit", "sso", "usage", "model_providers", "tool_servers", "tools", "webhooks"];
/** These need answers that are written slowly: the server is started again with a scripted provider. */
const WITH_PROVIDER = ["provider", "resume"];
/** These need providers, tool servers and receivers on this machine, which the server has to be allowed: each says how. */
const WITH_CONFIG = ["sso", "usage", "model_providers", "tool_servers", "tools", "webhooks"];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !ORDER.includes(name));
if (unknown.length) throw new Error(`there is no journey ${unknown.join(", ")}; there are ${ORDER.join(", ")}`);

async function run(world, steps) {
  let byProvider = false;
  for (const name of ORDER.filter((name) => name === "set_up" || !wanted.length || wanted.includes(name))) {
    if (WITH_PROVIDER.includes(name) && !byProvider) {
      byProvider = true;
      await world.server.stop();
      await world.server.start(world.provider.config);
    }
    const { default: journey, config } = await import(`./journeys/${name}.mjs`);
    if (WITH_CONFIG.includes(name)) {
      await world.server.stop();
      await world.server.start(config(world));
    }
    await steps.test(name, (step) => journey(step, world));
  }
}

const [server, browser, provider] = await Promise.all([Server.create(), launch(), ScriptedProvider.create()]);
try {
  await server.start();
  await run({ server, browser, provider, origin: server.origin, report: await studyReport(browser) }, new Steps(browser));
} catch (error) {
  if (!error.told) console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
  provider.close();
  await server.stop().catch((error) => { console.error(error.message); process.exitCode = 1; });
  server.remove();
}
