// Passkeys: a sign-in's second factor, a sign-in by itself, proving that it is you before something dangerous, and adding one.
// The server says what to ask the browser for, and judges the answer; here is only the way between the two.
const able = typeof PublicKeyCredential === "function" && typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function" && typeof PublicKeyCredential.parseCreationOptionsFromJSON === "function";

/** A refusal in words for people. */
class Refusal extends Error {}

async function send(path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const reply = await fetch(path, { method: "POST", headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const json = await reply.json().catch(() => null);
  if (!reply.ok) throw new Refusal([json?.detail ?? `The server refused this (status ${reply.status}). Nothing was changed.`, ...(json?.errors ?? []).map((e) => e.detail)].join(" "));
  return json;
}

async function get(options) {
  const credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(unwrapped(options)) });
  return credential.toJSON();
}

async function create(options) {
  const credential = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(unwrapped(options)) });
  return credential.toJSON();
}

// Some servers wrap what the browser wants in `publicKey`.
const unwrapped = (options) => options.publicKey ?? options;

function said(error) {
  if (error instanceof Refusal) return error.message;
  if (error.name === "NotAllowedError" || error.name === "AbortError") return "This was cancelled or took too long. Nothing was changed; try again.";
  if (error.name === "InvalidStateError") return "This device has a passkey for your account already. Nothing was changed.";
  if (error.name === "NotSupportedError") return "This browser or device cannot do that. Nothing was changed; use another one, or an authenticator app.";
  if (error.name === "SecurityError") return "Passkeys do not work at this address of the site. Nothing was changed; ask whoever runs it for its usual address.";
  if (error instanceof TypeError) return "The server could not be reached. Nothing was changed; try again.";
  return "The browser could not do that. Nothing was changed; try again.";
}

/** What each kind does; returns once there is nothing left to do here. */
const kinds = {
  async "second-factor"(element) {
    const passkey = await get(JSON.parse(element.dataset.options));
    await send("/api/v1/session/second-factor", { ticket: element.dataset.ticket, proof: { passkey } });
    location.assign(element.dataset.next);
  },
  async "sign-in"(element) {
    const { ticket, options } = await send("/api/v1/session/passkey/options");
    await send("/api/v1/session/passkey", { ticket, credential: await get(options) });
    location.assign(element.dataset.next);
  },
  async "step-up"(element) {
    const waiting = element.closest("form");
    const code = waiting.elements.namedItem("code");
    if (code) { code.value = ""; code.required = false; }
    if (!waiting.reportValidity()) { if (code) code.required = true; return; }
    try {
      await stepUp();
    } catch (error) {
      if (code) code.required = true;
      throw error;
    }
    if (waiting.dataset.kind === "add") waiting.dataset.proven = "";
    waiting.requestSubmit();
  },
  async add(form) {
    const field = (name) => form.elements.namedItem(name)?.value ?? "";
    const code = field("code").trim();
    if (code && !("proven" in form.dataset)) await send("/api/v1/session/step-up", { proof: /^[\d\s]{6,8}$/.test(code) ? { totp: code } : { recovery_code: code } });
    form.dataset.proven = "";
    const { ticket, options } = await send("/api/v1/factors/passkey/options", { name: field("name"), password: field("password") });
    const { recovery_codes: codes } = await send("/api/v1/factors/passkey", { ticket, credential: await create(options) });
    if (codes.length) showCodes(form, codes); else location.assign("/settings/security?done=factor-added");
  },
};

async function stepUp() {
  const { ticket, options } = await send("/api/v1/session/step-up/options");
  await send("/api/v1/session/step-up", { ticket, proof: { passkey: await get(options) } });
}

function made(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// The codes come once and are nowhere else, so leaving is a deliberate step.
function showCodes(form, codes) {
  const title = made("h3", { tabIndex: -1 }, "The passkey was added. Keep these recovery codes");
  const list = made("ul", { className: "codes", id: "recovery-codes" }, ...codes.map((code) => made("li", {}, made("code", {}, code))));
  const copy = made("button", { type: "button", className: "js-clipboard" }, "Copy the codes");
  Object.assign(copy.dataset, { of: "recovery-codes", done: "Copied" });
  const next = made("a", { className: "button", href: "/settings/security?done=factor-added" }, "I have kept them");
  form.replaceWith(made("div", {}, title,
    made("p", {}, "Each of these signs you in once when your passkey is lost. Keep them where only you can reach them, such as a password safe. They are shown now and never again."),
    list, made("p", { className: "acts" }, copy, next)));
  title.focus();
}

function start(element) {
  const kind = element.dataset.kind;
  const alert = element.querySelector(":scope > [role=alert]");
  const button = element.querySelector(":scope > button");
  const act = async (event) => {
    event.preventDefault();
    alert.hidden = true;
    button.disabled = true;
    try {
      await kinds[kind](element);
    } catch (error) {
      alert.textContent = said(error);
      alert.hidden = false;
    }
    button.disabled = false;
  };
  if (element.localName === "form") element.addEventListener("submit", act); else button.addEventListener("click", act);
  element.hidden = false;
}

for (const element of document.querySelectorAll(".js-passkey")) {
  if (able) start(element);
  else if (element.dataset.kind === "add") element.replaceWith(made("p", { className: "dim" }, "This browser does not know passkeys. Use an authenticator app."));
}
