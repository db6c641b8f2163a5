// Citations: a preview on hover and focus, arrow keys from one to the next, and the source pane that opens the document at the words.
const pane = document.querySelector(".pane");
const body = pane?.querySelector(".pane-body");
const preview = document.querySelector("#preview");
let opener = null;
let latest = 0;

const sheet = matchMedia("(max-width: 67.99rem)");
const behind = [document.querySelector(".thread"), document.querySelector(".top"), document.querySelector(".foot")];

const source = (chip) => chip.closest(".turn")?.querySelector(`.sources li[data-n="${CSS.escape(chip.dataset.n)}"]`);
const chips = () => [...document.querySelectorAll(".cite")];

function showPreview(chip) {
  const item = source(chip);
  if (!item || !preview) return;
  const copies = [...item.children].map((part) => {
    const copy = document.createElement(part.tagName === "A" ? "strong" : part.tagName);
    copy.className = part.className;
    copy.textContent = part.textContent;
    return copy;
  });
  preview.replaceChildren(...copies);
  preview.hidden = false;
  chip.setAttribute("aria-describedby", "preview");
  const at = chip.getBoundingClientRect();
  const size = preview.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left + at.width / 2 - size.width / 2, innerWidth - size.width - 8));
  const above = at.top - size.height - 8;
  preview.style.left = `${left + scrollX}px`;
  preview.style.top = `${(above > 56 ? above : at.bottom + 8) + scrollY}px`;
}

function hidePreview(chip) {
  if (preview) preview.hidden = true;
  chip.removeAttribute("aria-describedby");
}

function fetchDocument(address) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onload = () => (request.response?.querySelector("main") ? resolve({ page: request.response, ok: request.status === 200 }) : reject(new Error(`status ${request.status}`)));
    request.onerror = () => reject(new Error("no connection"));
    request.send();
  });
}

async function open(link) {
  const mine = ++latest;
  const address = new URL(link.href);
  for (const chip of document.querySelectorAll(".cite[aria-current]")) chip.removeAttribute("aria-current");
  if (link.matches(".cite")) link.setAttribute("aria-current", "true");
  opener = link;
  pane.hidden = false;
  document.body.classList.add("pane-open-wide");
  pane.querySelector(".pane-open").href = address.href;
  pane.querySelector("h2").textContent = source(link)?.querySelector(".src")?.textContent ?? "Source";
  if (!body.querySelector(".canonical")) body.textContent = "Opening…";
  body.setAttribute("aria-busy", "true");
  if (sheet.matches) {
    for (const part of behind) part.inert = true;
    pane.querySelector(".js-close").focus();
  }
  address.searchParams.set("pane", "true");
  address.hash = "";
  try {
    const { page } = await fetchDocument(address);
    if (mine !== latest) return;
    body.replaceChildren(...[...page.querySelector("main").childNodes].map((node) => document.adoptNode(node)));
  } catch {
    if (mine !== latest) return;
    body.textContent = "The document could not be opened here. Check the connection, or open it in its own page.";
  }
  body.removeAttribute("aria-busy");
  const words = body.querySelector("#cited");
  if (words) body.scrollTop += words.getBoundingClientRect().top - body.getBoundingClientRect().top - body.clientHeight / 3;
}

function close() {
  if (!pane || pane.hidden) return;
  latest += 1;
  pane.hidden = true;
  document.body.classList.remove("pane-open-wide");
  for (const part of behind) part.inert = false;
  opener?.removeAttribute("aria-current");
  opener?.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest(".cite, .src");
  if (!link || !pane || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  hidePreview(link);
  open(link);
});
for (const [name, act] of [["mouseover", showPreview], ["focusin", showPreview], ["mouseout", hidePreview], ["focusout", hidePreview]]) {
  document.addEventListener(name, (event) => {
    const chip = event.target.closest?.(".cite");
    if (chip && !(name === "focusin" && !chip.matches(":focus-visible"))) act(chip);
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { close(); return; }
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches?.(".cite")) return;
  const all = chips();
  const next = all[all.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
  if (pane && !pane.hidden) open(next);
});
pane?.querySelector(".js-close").addEventListener("click", close);
sheet.addEventListener("change", () => { if (!pane?.hidden) for (const part of behind) part.inert = sheet.matches; });
