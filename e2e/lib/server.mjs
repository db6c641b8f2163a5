// The real server on a folder of its own: embedded database, local model, a free port.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, createWriteStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Longest start of a server that makes its database first, in milliseconds. */
const START_MS_MAX = 60_000;
/** Longest stop before the process is ended by force, in milliseconds. */
const STOP_MS_MAX = 60_000;

/** One browser does here what many people do: far more than the product allows one address and one account. */
const LIMITS = `[limits]\n${["address", "user", "tenant", "credentials", "asking", "upload"].map((rate) => `${rate}_per_minute = 1000000\n`).join("")}`;

/** A port that was free a moment ago. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

export class Server {
  static async create() {
    const folder = mkdtempSync(join(tmpdir(), "vital-e2e-"));
    // The database runs as another user when the tests run as root: it has to be able to reach its folder.
    chmodSync(folder, 0o755);
    const server = new Server();
    Object.assign(server, { folder, port: await freePort(), log: createWriteStream("artifacts/server.log"), setupLink: null });
    // Passkeys need a domain, which an address is not.
    server.origin = `http://localhost:${server.port}`;
    return server;
  }

  /** Starts it, with a configuration file where one is given, and waits until it says that it is ready. */
  async start(config = "") {
    this.config = config;
    writeFileSync(join(this.folder, "e2e.toml"), `[server]\npublic_url = "${this.origin}"\n\n${LIMITS}\n${config}`);
    const { DATABASE_URL: _database, VITAL_CONFIG: _config, VITAL_DATA: _data, VITAL_LISTEN: _listen, ...environment } = process.env;
    this.process = spawn(process.env.VITAL_BIN, ["serve", "--config", join(this.folder, "e2e.toml"), "--data", join(this.folder, "data"), "--listen", `127.0.0.1:${this.port}`], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    this.process.stderr.pipe(this.log, { end: false });
    const ended = once(this.process, "exit").then(([code]) => { throw new Error(`the server ended with code ${code}; see e2e/artifacts/server.log`); });
    ended.catch(() => {});
    const said = this.#ready();
    await Promise.race([said, ended]);
    return this;
  }

  #ready() {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`the server was not ready after ${START_MS_MAX} ms; see e2e/artifacts/server.log`)), START_MS_MAX);
      let output = "";
      this.process.stdout.on("data", (chunk) => {
        this.log.write(chunk);
        output += chunk;
        this.setupLink ??= output.match(/one-time link: (\S+)\n/)?.[1] ?? null;
        if (/^ready in \d+ ms/m.test(output) && this.setupLink) { clearTimeout(limit); resolve(); }
      });
    });
  }

  /** Starts it again as it was. */
  async restart() {
    await this.stop();
    await this.start(this.config);
  }

  /** Runs another verb of the binary on the same folder and returns what it prints. */
  async run(...words) {
    const { stdout } = await promisify(execFile)(process.env.VITAL_BIN, [...words, "--config", join(this.folder, "e2e.toml"), "--data", join(this.folder, "data")]);
    return stdout;
  }

  async stop() {
    if (!this.process || this.process.exitCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    const force = setTimeout(() => this.process.kill("SIGKILL"), STOP_MS_MAX);
    const [code, signal] = await ended;
    clearTimeout(force);
    if (code !== 0) throw new Error(`the server did not stop cleanly: ${code ?? signal}; see e2e/artifacts/server.log`);
  }

  remove() {
    this.log.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
