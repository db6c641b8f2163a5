// A real identity provider on loopback: the npm package oidc-provider, with people whom the caller names and no passwords.
//
// It speaks the authorization code flow with PKCE to one confidential client. Its sign-in page asks for an account's id alone.
import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

/** Largest body of the sign-in form, in bytes. */
const FORM_BYTES_MAX = 4096;
/** How long everything the provider gives out is valid, in seconds: longer than any journey. */
const VALID_S = 600;

/**
 * Starts the provider.
 *
 * `accounts` maps an account's id, which becomes `sub`, to its claims: `{ email, email_verified, name, groups }`. It is read at each
 * sign-in, so that a journey can change or remove somebody. `redirectUri` is one address or several. With `claimsInIdToken` the claims
 * stand in the ID token; without it, as the standard has it, only in the userinfo answer. `port` 0 takes a free one.
 */
export async function start({ port = 0, redirectUri, accounts, claimsInIdToken = false }) {
  let provider;
  const server = createServer((request, response) => {
    answer(provider, accounts, request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
      response.end(`${error.name}: ${error.message}`);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const client = { clientId: "vital-path", clientSecret: randomBytes(32).toString("base64url") };
  provider = new Provider(issuer, configuration(client, [redirectUri].flat(), accounts, claimsInIdToken));
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { issuer, ...client, stop };
}

function configuration({ clientId, clientSecret }, redirectUris, accounts, claimsInIdToken) {
  return {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: redirectUris,
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    conformIdTokenClaims: !claimsInIdToken,
    findAccount: (_context, id) => (Object.hasOwn(accounts, id) ? { accountId: id, claims: () => ({ ...accounts[id], sub: id }) } : undefined),
    loadExistingGrant: consent,
    pkce: { required: () => true },
    jwks: { keys: [signingKey()] },
    cookies: { keys: [randomBytes(32).toString("hex")] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: VALID_S, AuthorizationCode: 60, Grant: VALID_S, IdToken: VALID_S, Interaction: VALID_S, Session: VALID_S },
  };
}

/** Agrees to everything in the person's place: the client belongs to the same organisation. */
async function consent({ oidc }) {
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope("openid email profile groups");
  await grant.save();
  return grant;
}

function signingKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
}

async function answer(provider, accounts, request, response) {
  if (!request.url.startsWith("/interaction/")) return provider.callback()(request, response);
  const { params } = await provider.interactionDetails(request, response);
  if (request.method !== "POST") return page(response, 200, params.client_id);
  const form = await formOf(request);
  if (form.has("cancel")) {
    return provider.interactionFinished(request, response, { error: "access_denied", error_description: "the person cancelled" });
  }
  const account = form.get("account") ?? "";
  if (!Object.hasOwn(accounts, account)) return page(response, 422, params.client_id, "There is no such account.");
  return provider.interactionFinished(request, response, { login: { accountId: account } });
}

async function formOf(request) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > FORM_BYTES_MAX) throw new RangeError("the form is too large");
  }
  return new URLSearchParams(body);
}

function page(response, status, client, problem = "") {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(`<!doctype html>
<html lang="en">
<head><meta name="viewport" content="width=device-width"><title>Identity provider</title></head>
<body>
<main>
<h1>Identity provider</h1>
<p>${client} asks who you are.</p>
<p role="alert">${problem}</p>
<form method="post">
<p><label>Account <input name="account" autocomplete="off" autofocus></label></p>
<p><button>Continue</button> <button name="cancel" value="1">Cancel</button></p>
</form>
</main>
</body>
</html>
`);
}
