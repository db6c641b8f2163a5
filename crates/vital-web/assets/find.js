// Results as somebody types. The latest request wins; without this the form works with Enter.
const field = document.querySelector(".js-find");
const results = document.querySelector("#results");
let asked = 0;
let waiting = 0;

field?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(look, 120);
});

async function look() {
  const mine = ++asked;
  const query = new URLSearchParams({ q: field.value, part: "true" });
  const reply = await fetch(`/find?${query}`, { headers: { accept: "text/html" } }).catch(() => null);
  if (mine !== asked || !reply?.ok) return;
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  if (mine !== asked) return;
  results.replaceChildren(...page.querySelector("main").childNodes);
  history.replaceState(null, "", field.value ? `/find?${new URLSearchParams({ q: field.value })}` : "/find");
}
