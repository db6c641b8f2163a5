// Behind the application: statements on its own database, for what would otherwise take weeks to come about.
import { execFile } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** Runs statements as the administrator of the embedded database that a server runs on. */
export async function sql(server, statements) {
  const pidFile = find(server.folder, "postmaster.pid");
  const [pid, , , port, socket] = readFileSync(pidFile, "utf8").split("\n");
  const password = readFileSync(find(server.folder, "admin.password"), "utf8").trim();
  const psql = join(dirname(readlinkSync(`/proc/${pid}/exe`)), "psql");
  const flags = ["-h", socket, "-p", port, "-U", "vital_admin", "-d", "vital", "-v", "ON_ERROR_STOP=1", "-qAt", "-c", statements];
  const { stdout } = await promisify(execFile)(psql, flags, { env: { ...process.env, PGPASSWORD: password } });
  return stdout.trim();
}

function find(folder, name) {
  const found = readdirSync(folder, { recursive: true }).find((path) => path.endsWith(`/${name}`));
  if (!found) throw new Error(`there is no ${name} in ${folder}`);
  return join(folder, found);
}
