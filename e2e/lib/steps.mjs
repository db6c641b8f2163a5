// Steps of a journey, told as they end. A failed step ends the run, because the next ones stand on it; a failed check is remembered.

export class Steps {
  constructor(browser, path = []) {
    Object.assign(this, { browser, path, failed: [] });
  }

  /** Does a step; when it fails, keeps what every open page shows. */
  async test(name, act) {
    const path = [...this.path, name];
    const inner = new Steps(this.browser, path);
    const begun = performance.now();
    try {
      await act(inner);
      if (inner.failed.length) throw new Error(`these checks failed:\n${inner.failed.join("\n")}`);
    } catch (error) {
      if (!error.told) {
        await this.#keepPages(path);
        console.error(`FAILED  ${path.join(" › ")}\n${error.stack ?? error}`);
        error.told = true;
      }
      throw error;
    }
    console.log(`${String(Math.round(performance.now() - begun)).padStart(6)} ms  ${path.join(" › ")}`);
  }

  /** Does a step that others do not stand on. */
  async check(name, act) {
    await this.test(name, act).catch((error) => this.failed.push(`  ${name}: ${error.message}`));
  }

  say(text) { console.log(`           ${text}`); }

  async #keepPages(path) {
    const pages = this.browser.contexts().flatMap((context) => context.pages());
    await Promise.all(pages.map((page, i) => page.screenshot({ path: `artifacts/failed-${path.at(-1).replaceAll(/\W+/g, "-")}-${i}.png`, timeout: 5_000 }).catch(() => {})));
  }
}
