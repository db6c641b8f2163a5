// The live answer: follows the events of a running turn and builds the elements that the server would have rendered
// (src/components/turn.rs and answer.rs), with textContent only. It comes back by itself after a lost connection, from the last number.
const announce = document.querySelector("#announce");
const BACK_OFF_MS = [500, 1000, 2000, 4000, 8000];

function h(name, attributes, ...children) {
  const svg = name === "svg" || name === "rect";
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  made.append(...children);
  return made;
}

// In single precision, as the server computes it.
const percent = (share) => `${Math.round(Math.fround(Math.fround(Math.min(1, Math.max(0, share))) * 100))} %`;
const bar = (share) => h("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
  h("rect", { class: "bar-all", width: 100, height: 6 }), h("rect", { class: "bar-part", width: (share * 100).toFixed(1), height: 6 }));
const initials = (name) => name.split(/\s+/).filter((word) => /^[\p{L}\p{N}]/u.test(word) && !["and", "of", "for", "the"].includes(word)).slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
const expertLink = (c) => h("a", { href: `/experts/${encodeURIComponent(c.slug)}` }, c.name);
const address = (c) => `${c.fetched ? "/sources" : "/library/documents"}/${c.document_id}?start=${c.start}&end=${c.end}#cited`;
const authorities = { own: "own document", "standards-body": "standards body", "professional-body": "professional body", calculated: "calculated here", "tool-server": "tool server" };

class Turn {
  constructor(article) {
    this.article = article;
    this.answer = this.part(".answer");
    this.last = 0;
    this.failures = 0;
    this.sentences = new Map();
    this.blocks = new Map();
    this.cited = new Set();
    this.ended = false;
  }

  part(selector) { return this.article.querySelector(selector); }

  follow() {
    const source = new EventSource(`${this.article.dataset.events}?after=${this.last}`);
    source.onopen = () => { this.failures = 0; };
    for (const kind of ["accepted", "routed", "retrieved", "tool_call", "tool_result", "step", "token", "citation", "check", "usage", "done"]) {
      source.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        if (data.seq <= this.last) return;
        this.last = data.seq;
        this[kind]?.(data);
        if (this.ended) source.close();
      });
    }
    source.addEventListener("problem", (event) => {
      const data = JSON.parse(event.data);
      if (data.seq && data.seq <= this.last) return;
      if (data.seq) { this.last = data.seq; this.note(data.detail); } else { source.close(); this.again(data.detail); }
    });
    source.onerror = () => { if (!this.ended && source.readyState === EventSource.CLOSED) this.again("The connection was lost."); };
  }

  again(why) {
    const wait = BACK_OFF_MS[this.failures];
    this.failures += 1;
    if (wait === undefined) { this.note(`${why} The answer goes on being written on the server: reload the page to see it.`); return; }
    setTimeout(() => this.follow(), wait * (0.75 + Math.random() / 2));
  }

  note(text) {
    const note = this.part(".turn-note");
    note.textContent = text;
    note.hidden = false;
  }

  routed({ slug, name, automatic, candidates }) {
    this.part(".who").replaceChildren(h("span", { class: "who-name" }, h("span", { class: "monogram", "aria-hidden": "true" }, initials(name)), expertLink({ slug, name })), " ",
      h("span", { class: "tag" }, automatic ? "chosen automatically" : "chosen by you"));
    if (!candidates.length) return;
    const id = this.article.dataset.turn;
    this.part(".why ol").replaceChildren(...candidates.map((c) => h("li", null,
      h("div", { class: "cand" }, expertLink(c), " ", bar(c.score), " ", h("span", null, percent(c.score))),
      h("p", null, c.reasons.join("; ")),
      ...(c.slug === slug || !this.part(".js-stop") ? [] : [h("form", { method: "post", action: `/turns/${id}/ask-again` },
        h("input", { type: "hidden", name: "expert", value: c.slug }), h("button", { class: "quiet", type: "submit" }, "Ask this one instead"))]))));
    this.part(".why").hidden = false;
  }

  retrieved(s) {
    this.part(".searched div").replaceChildren(
      h("p", null, "Searched ", h("strong", null, s.collections.length ? s.collections.join(", ") : "all collections"), " for ", h("q", null, s.query), s.by_meaning ? ", by words and by meaning." : ", by words alone."),
      ...(s.note ? [h("p", { class: "dim" }, s.note)] : []),
      ...(s.sources.length ? [] : [h("p", null, "Nothing was found.")]),
      h("ul", null, ...s.sources.map((d) => h("li", null, h("a", { href: `/library/documents/${d.document_id}` }, d.title), " ", bar(d.score), " ", h("span", { class: "dim" }, `${percent(d.score)} · ${d.passages} read`)))));
    this.part(".searched").hidden = false;
  }

  tool_call({ call, title, arguments: given, approval }) {
    const pairs = Object.entries(given ?? {}).map(([name, value]) => h("div", null, h("dt", null, name.replaceAll("_", " ")), h("dd", null, typeof value === "string" ? value : JSON.stringify(value))));
    const item = h("li", { "data-call": String(call) }, h("p", null, h("strong", null, title), " ", h("span", { class: "tool-says" }, approval ? "waits for you" : "is running")),
      ...(pairs.length ? [h("dl", { class: "tool-given" }, ...pairs)] : []));
    if (approval && this.part(".js-stop")) item.append(this.decision(call, approval));
    this.part(".tools ol").append(item);
    this.part(".tools").hidden = false;
    if (approval) { this.part(".tools").open = true; announce.textContent = "A call of a tool waits for you."; }
  }

  decision(call, why) {
    const button = (value, text, kind) => h("button", { ...(kind ? { class: kind } : {}), type: "submit", name: "approved", value }, text);
    return h("form", { class: "tool-decision", method: "post", action: `/turns/${this.article.dataset.turn}/tool-calls/${call}/decision` },
      h("p", null, `${why} Shall this call be made?`), button("true", "Make the call", "primary"), " ", button("false", "Do without"));
  }

  tool_result({ call, says, brought }) {
    const item = this.part(`.tools li[data-call="${call}"]`);
    if (!item) return;
    item.querySelector(".tool-says").textContent = says;
    item.querySelector(".tool-decision")?.remove();
    if (brought.length) item.append(h("ul", { class: "tool-brought" }, ...brought.map((b) => h("li", null, h("a", { href: `${b.fetched ? "/sources" : "/library/documents"}/${b.id}` }, b.title)))));
  }

  step({ says }) { this.part(".turn-note").before(h("p", { class: "turn-step dim" }, says)); }

  block(number, kind) {
    let made = this.blocks.get(number);
    if (made) return made;
    if (kind === "point") {
      let list = this.answer.lastElementChild;
      if (!list?.matches("ul.points")) { list = h("ul", { class: "points" }); this.answer.append(list); }
      made = h("li");
      list.append(made);
    } else {
      made = kind === "heading" ? h("h3") : h("p", kind === "lead" || kind === "note" ? { class: kind } : null);
      this.answer.append(made);
    }
    this.blocks.set(number, made);
    return made;
  }

  token({ block, block_kind: kind, sentence, text }) {
    let span = this.sentences.get(sentence);
    if (!span) {
      const parent = this.block(block, kind);
      if (parent.childNodes.length) parent.append(" ");
      span = h("span", { class: "s", "data-verdict": "not_factual" }, document.createTextNode(""));
      parent.append(span);
      this.sentences.set(sentence, span);
    }
    span.firstChild.data += text;
  }

  citation({ sentence, citation: c }) {
    const span = this.sentences.get(sentence);
    if (span && !span.querySelector(`.cite[data-n="${c.n}"]`)) {
      span.firstChild.data = span.firstChild.data.trimEnd();
      span.append(h("a", { class: "cite", href: address(c), "data-n": c.n, "aria-label": `Source ${c.n}: ${c.title}` }, String(c.n)));
    }
    if (this.cited.has(c.n)) return;
    this.cited.add(c.n);
    const place = [authorities[c.authority] ?? c.authority, c.level ? `evidence level ${c.level}` : "", c.issued_on ? `issued ${c.issued_on}` : "", c.fetched?.identifier ?? "", c.page ? `page ${c.page}` : "", c.heading_path.join(" › ")].filter(Boolean).join(" · ");
    this.part(".sources ol").append(h("li", { "data-n": c.n }, h("a", { class: "src", href: address(c), "data-n": c.n }, c.title), h("p", { class: "src-where" }, place), h("blockquote", null, c.quote)));
    this.part(".sources").hidden = false;
  }

  check({ sentence, verdict, missing }) {
    const span = this.sentences.get(sentence);
    if (!span) return;
    span.dataset.verdict = verdict;
    span.querySelector(".flag")?.remove();
    const flag = verdict === "uncited" ? "no source" : verdict === "unsupported" ? (missing.length ? `not in the source: ${missing.join(", ")}` : "not fully in the source") : "";
    if (flag) span.append(h("em", { class: "flag" }, flag));
  }

  usage({ composer }) {
    this.part(".label").textContent = composer === "extractive" ? "Extractive: sentences of your sources, word for word" : composer;
  }

  done({ state, confidence, trust }) {
    const { article } = this;
    this.ended = true;
    article.dataset.state = state;
    article.removeAttribute("aria-busy");
    if (confidence) this.measure(confidence, trust);
    const notes = { no_evidence: "There was not enough evidence for an answer, so none was written.", stopped: "You stopped this answer. What had been written is kept.", interrupted: "The server stopped while this was written. Your question is kept; ask again.", failed: "This answer failed. Your question is kept; ask again." };
    const saidAlready = state === "no_evidence" && this.blocks.size > 0;
    if (notes[state] && !saidAlready && this.part(".turn-note").hidden) this.note(notes[state]);
    for (const form of article.querySelectorAll(".turn-acts form")) form.hidden = form.action.endsWith("/cancel");
    announce.textContent = state === "answered" ? "The answer is complete." : (notes[state] ?? "");
    offerCopy(article);
  }

  measure(confidence, trust) {
    const measure = (title, name, share) => h("span", { class: "measure", title }, `${name} `, h("strong", null, percent(share)));
    this.part(".measures").replaceChildren(
      h("span", { class: "measure" }, h("span", { class: "measure-name" }, "Confidence"), " ", bar(confidence.score), " ", h("strong", null, percent(confidence.score))),
      ...(trust ? [measure("Share of cited factual sentences that stand in full on what they cite", "Supported", trust.support),
        measure("Share of factual sentences without a citation", "Uncited", trust.uncited),
        measure("Share of citations whose quote is the bytes they point at", "Valid pointers", trust.pointer_validity)] : []));
    this.part(".measures").hidden = false;
    const head = (text) => h("th", { scope: "col" }, text);
    this.part(".sure div").replaceChildren(h("table", { class: "parts" }, h("caption", { class: "sr" }, "Measured parts of the confidence"),
      h("thead", null, h("tr", null, head("Part"), head("Value"), head("Weight"), head("What was measured"))),
      h("tbody", null, ...confidence.parts.map((p) => h("tr", null, h("th", { scope: "row" }, p.name), h("td", null, bar(p.value), " ", percent(p.value)), h("td", null, percent(p.weight)), h("td", null, p.says))))));
    this.part(".sure").hidden = false;
  }
}

function offerCopy(article) {
  const button = article.querySelector(".js-copy");
  if (!button || !navigator.clipboard || !article.querySelector(".answer").textContent.trim()) return;
  button.hidden = false;
}

function plainText(article) {
  const blocks = [...article.querySelectorAll(".answer > p, .answer > h3, .answer li")].map((block) => {
    const copy = block.cloneNode(true);
    for (const chip of copy.querySelectorAll(".cite")) chip.textContent = ` [${chip.dataset.n}]`;
    return (block.tagName === "LI" ? "- " : "") + copy.textContent.trim();
  });
  const sources = [...article.querySelectorAll(".sources li")].map((item) => `[${item.dataset.n}] ${item.querySelector(".src").textContent}, ${item.querySelector(".src-where").textContent}: “${item.querySelector("blockquote").textContent}”`);
  return [article.querySelector(".question").textContent, "", ...blocks, "", ...sources].join("\n").trim();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".js-copy");
  if (!button) return;
  const copied = await navigator.clipboard.writeText(plainText(button.closest(".turn"))).then(() => true, () => false);
  button.textContent = copied ? "Copied" : "Could not copy";
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
});
document.addEventListener("submit", async (event) => {
  const button = event.target.querySelector(".js-stop");
  if (!button) return;
  event.preventDefault();
  button.disabled = true;
  const article = button.closest(".turn");
  const reply = await fetch(`/api/v1/turns/${article.dataset.turn}/cancel`, { method: "POST" }).catch(() => null);
  if (!reply?.ok) { button.disabled = false; announce.textContent = "It could not be stopped. Try again."; }
});

document.addEventListener("submit", async (event) => {
  if (!event.target.matches(".tool-decision")) return;
  event.preventDefault();
  const form = event.target;
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  const approved = event.submitter?.value === "true";
  const reply = await fetch(`/api/v1${new URL(form.action).pathname}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ approved }) }).catch(() => null);
  if (reply?.ok) { form.querySelector("p").textContent = approved ? "The call is being made." : "The expert does without."; return; }
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  announce.textContent = "The decision was not taken. Reload the page and try again.";
});

for (const article of document.querySelectorAll(".turn")) {
  if (article.dataset.events) new Turn(article).follow(); else offerCopy(article);
}
