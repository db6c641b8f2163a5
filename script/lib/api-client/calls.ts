// Calls the API through types that were generated from its description: `calls.js SITE KEY_FILE`. What does not fit the description does
// not compile; what the server does otherwise than described fails here.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [site, keyFile] = process.argv.slice(2);
assert(site !== undefined && keyFile !== undefined);
const key = readFileSync(keyFile, "utf8").trim();
const api = createClient<paths>({ baseUrl: site, headers: { Authorization: `Bearer ${key}` } });

type Schemas = components["schemas"];
/** Whether a turn that stands so has ended; a state that the description has and this list has not does not compile. */
const states: Record<Schemas["TurnState"], boolean> = {
  running: false,
  answered: true,
  no_evidence: true,
  stopped: true,
  failed: true,
  interrupted: true,
};

async function everyPage(): Promise<Schemas["ExpertSummary"][]> {
  const all: Schemas["ExpertSummary"][] = [];
  let cursor: string | undefined;
  do {
    const { data, error } = await api.GET("/api/v1/experts", { params: { query: { limit: 7, ...(cursor === undefined ? {} : { cursor }) } } });
    assert(data !== undefined, JSON.stringify(error));
    all.push(...data.items);
    cursor = data.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return all;
}

async function ended(id: string): Promise<Schemas["Turn"]> {
  for (;;) {
    const { data, error } = await api.GET("/api/v1/turns/{id}", { params: { path: { id } } });
    assert(data !== undefined, JSON.stringify(error));
    if (states[data.state]) return data;
    await new Promise((later) => setTimeout(later, 100));
  }
}

const me = await api.GET("/api/v1/me");
assert(me.data !== undefined && me.response.headers.get("etag") !== null);

const experts = await everyPage();
assert(experts.length > 7 && new Set(experts.map((e) => e.slug)).size === experts.length);

// A write with a key takes effect once.
const again = { params: { header: { "Idempotency-Key": crypto.randomUUID() } }, body: {} } as const;
const opened = await api.POST("/api/v1/conversations", again);
const replayed = await api.POST("/api/v1/conversations", again);
assert(opened.data !== undefined && opened.response.status === 201);
assert.deepEqual(replayed.data, opened.data);
assert.equal(replayed.response.headers.get("idempotency-replayed"), "true");

const asked = await api.POST("/api/v1/conversations/{id}/turns", {
  params: { path: { id: opened.data.id } },
  body: { question: "How long does FDA review a traditional 510(k)?" },
});
assert(asked.data !== undefined && asked.response.status === 202, JSON.stringify(asked.error));
const turn = await ended(asked.data.id);
assert(turn.state === "answered", turn.state);

// A failure has the described shape, and its type knows the members.
const missing = await api.GET("/api/v1/turns/{id}", { params: { path: { id: crypto.randomUUID() } } });
assert(missing.data === undefined && missing.error.status === 404 && missing.error.code === "turn.unknown", JSON.stringify(missing.error));

// A change on a condition: made once, and refused with the tag of before.
const group = await api.POST("/api/v1/groups", { body: { name: "Typed" } });
assert(group.data !== undefined, JSON.stringify(group.error));
const path = { id: group.data.id };
const read = await api.GET("/api/v1/groups/{id}", { params: { path } });
const tag = read.response.headers.get("etag");
assert(tag !== null);
const change = { params: { path, header: { "If-Match": tag } }, body: { name: "Renamed" } };
const renamed = await api.PATCH("/api/v1/groups/{id}", change);
assert(renamed.data?.name === "Renamed", JSON.stringify(renamed.error));
const stale = await api.PATCH("/api/v1/groups/{id}", change);
assert(stale.error?.status === 412, JSON.stringify(stale.error));

// The door in OpenAI's format, which answers as a whole or as frames, with failures in OpenAI's shape.
const chat = await api.POST("/v1/chat/completions", {
  body: { model: "auto", messages: [{ role: "user", content: "How long does FDA review a traditional 510(k)?" }] },
});
assert(chat.data !== undefined && "choices" in chat.data && chat.data.choices[0]?.message.content, JSON.stringify(chat.error));
const unknown = await api.POST("/v1/chat/completions", { body: { model: "nobody", messages: [{ role: "user", content: "Why?" }] } });
assert(unknown.error?.error.code === "model_not_found", JSON.stringify(unknown.error));

const usage = await api.GET("/api/v1/usage", { params: { query: { own: true } } });
assert(usage.data !== undefined, JSON.stringify(usage.error));
console.log(`the generated client called 10 operations; ${experts.length} experts came in pages`);
