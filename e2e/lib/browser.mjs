// Chromium with eyes: whatever a page does wrong behind its looks ends the journey.
import { chromium } from "playwright-core";

const FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** Longest wait for any condition, in milliseconds. Conditions come within a second as a rule; a busy machine needs the rest. */
export const WAIT_MS_MAX = 60_000;

export async function launch() {
  // Root has no user namespace to put the browser's own sandbox in.
  const flags = process.getuid() === 0 ? ["--no-sandbox", ...FLAGS] : FLAGS;
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags });
}

/** A browser context whose faults are collected: console errors, policy violations, failed requests, requests to other origins. */
export class Visitor {
  static async create(browser, origin, options = {}) {
    const visitor = new Visitor();
    const context = await browser.newContext({ baseURL: origin, viewport: { width: 1280, height: 900 }, locale: "en-GB", reducedMotion: "reduce", ...options });
    Object.assign(visitor, { context, origin, faults: [], allowed: [], others: [] });
    context.setDefaultTimeout(WAIT_MS_MAX);
    await context.exposeBinding("reportViolation", (_source, what) => visitor.faults.push(`content security policy: ${what}`));
    await context.addInitScript(() => addEventListener("securitypolicyviolation", (event) => globalThis.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
    visitor.#watch();
    visitor.page = await context.newPage();
    return visitor;
  }

  #watch() {
    const { context, faults } = this;
    context.on("weberror", (error) => faults.push(`uncaught: ${error.error().stack}`));
    context.on("console", (message) => {
      // A refused request is judged by its status below.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(`console: ${message.text()}`);
    });
    context.on("request", (request) => {
      const url = new URL(request.url());
      if (!["data:", "blob:", "about:"].includes(url.protocol) && url.origin !== new URL(this.origin).origin && !this.others.includes(url.origin)) faults.push(`request to another origin: ${url}`);
    });
    context.on("response", (response) => {
      if (response.status() >= 400) this.#fault(`${response.status()} ${response.request().method()} ${new URL(response.url()).pathname}`);
    });
    context.on("requestfailed", (request) => {
      // Leaving a page ends what it was still reading.
      if (request.failure()?.errorText !== "net::ERR_ABORTED") this.#fault(`failed ${request.method()} ${new URL(request.url()).pathname} ${request.failure()?.errorText}`);
    });
  }

  #fault(what) {
    if (!this.allowed.some((pattern) => pattern.test(what))) this.faults.push(what);
  }

  /** Lets the browser go to another site as well, such as an identity provider. */
  mayVisit(origin) { this.others.push(new URL(origin).origin); }

  /** Lets answers like `401 POST /sign-in` pass while `act` runs. */
  async allowing(pattern, act) {
    this.allowed.push(pattern);
    try { return await act(); } finally { this.allowed.splice(this.allowed.indexOf(pattern), 1); }
  }

  /** Ends the visit; throws when anything went wrong on the way. */
  async leave() {
    await this.context.close();
    if (this.faults.length) throw new Error(`the pages had faults:\n  ${[...new Set(this.faults)].join("\n  ")}`);
  }
}

/** Keeps a screenshot: of the whole page, or of what the reader sees. */
export async function keep(page, name, whole = true) {
  // The bar at the top stays with the reader; a picture of the whole page begins where the page does.
  if (whole) await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `artifacts/${name}.png`, fullPage: whole });
}
