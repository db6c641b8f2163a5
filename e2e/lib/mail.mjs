// The folder that messages go to where no mail server is configured.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The text of a message: RFC 5322 head and a body in quoted-printable, base64 or as it is. */
function text(message) {
  const [head, ...rest] = message.split(/\r?\n\r?\n/);
  const body = rest.join("\n\n");
  const encoding = head.match(/^content-transfer-encoding:\s*(\S+)/im)?.[1].toLowerCase();
  if (encoding === "base64") return Buffer.from(body, "base64").toString();
  if (encoding !== "quoted-printable") return body;
  const bytes = body.replaceAll(/=\r?\n/g, "").replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString();
}

/** The path of the newest link of this kind that was sent to an address. */
export function linkTo(server, address, kind) {
  const folder = join(server.folder, "data", "mail");
  for (const name of readdirSync(folder).filter((n) => n.endsWith(".eml")).sort().reverse()) {
    const message = readFileSync(join(folder, name), "utf8");
    const link = message.includes(address) && text(message).match(new RegExp(`https?://[^\\s/]+(/${kind}\\?token=\\S+)`));
    if (link) return link[1];
  }
  throw new Error(`no message to ${address} has a link to /${kind}`);
}
