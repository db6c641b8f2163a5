// Second factors as people hold them: an authenticator app on a phone, a passkey in the browser.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { setTimeout as until } from "node:timers/promises";

const STEP_MS = 30_000;

/** An authenticator app: TOTP of RFC 6238 with SHA-1, 30 seconds and six digits. A code is good once, so each call gives the next one. */
export class Authenticator {
  constructor(base32) {
    const bits = [...base32.replaceAll(/\s/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
    this.key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
    this.last = 0;
  }

  async code() {
    const now = () => Math.floor(Date.now() / STEP_MS);
    // The server takes the step before and the one after as well.
    this.last = Math.max(this.last + 1, now() - 1);
    while (this.last > now() + 1) await until((this.last - 1) * STEP_MS - Date.now());
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(this.last));
    const tag = createHmac("sha1", this.key).update(counter).digest();
    return String((tag.readUInt32BE(tag[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  }
}

/** Adds an authenticator app on the security page as its owner would, and returns it with the recovery codes. */
export async function addAuthenticator(page, password, look = async () => {}) {
  await page.goto("/settings/security");
  await page.getByText("Add an authenticator app…").click();
  const form = page.locator('form[action="/settings/security/totp"]');
  await form.getByLabel("Your password").fill(password);
  await form.getByRole("button", { name: "Show the QR code" }).click();
  await page.locator(".qr svg").waitFor();
  await look("totp");
  const app = new Authenticator(await page.locator(".secret code").innerText());
  await page.getByLabel("The code that the app shows now").fill(await app.code());
  await page.getByRole("button", { name: "Add the app" }).click();
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  await look("recovery-codes");
  const codes = await page.locator(".codes code").allInnerTexts();
  assert.equal(codes.length, 10);
  await page.getByRole("link", { name: "I have kept them" }).click();
  await page.getByText("The second factor was added.").waitFor();
  return { app, codes };
}

/** A passkey of this device, as Chromium's virtual authenticator keeps it. */
export async function virtualPasskey(context, page) {
  const wire = await context.newCDPSession(page);
  await wire.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await wire.send("WebAuthn.addVirtualAuthenticator", { options });
  return {
    async count() { return (await wire.send("WebAuthn.getCredentials", { authenticatorId })).credentials.length; },
    /** Whether the owner lets the device sign. */
    async consent(given) { await wire.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: given }); },
  };
}
