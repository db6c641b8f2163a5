// Uploads: drag and drop, several files, true progress for each; then the list follows how the reading stands.
const form = document.querySelector(".js-drop");
const list = document.querySelector(".js-uploads");
const AT_ONCE = 2;
const POLL_MS = 1200;
const says = { queued: "waiting", parsing: "being read", indexing: "being indexed", ready: "ready", failed: "not readable" };
const queue = [];
let running = 0;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function add(files) {
  const max = Number(form.dataset.filesMax);
  for (const file of [...files].slice(0, max)) {
    const item = element("li");
    const progress = element("progress");
    progress.max = 1;
    progress.value = 0;
    progress.setAttribute("aria-label", `Upload of ${file.name}`);
    item.append(element("span", "", file.name), progress);
    list.append(item);
    if (file.size > Number(form.dataset.bytesMax)) fail(item, `This file is larger than ${Math.round(form.dataset.bytesMax / 1048576)} MiB, so it was not sent. Split it and upload the parts.`);
    else if (file.size === 0) fail(item, "This file is empty, so it was not sent.");
    else queue.push({ file, item, progress });
  }
  if (files.length > max) list.append(element("li", "bad", `Only the first ${max} files were taken. Add the others in a second go.`));
  next();
}

function fail(item, why) {
  item.querySelector("progress")?.replaceWith(element("span", "badge", "not added"));
  item.querySelector(".badge").dataset.state = "failed";
  item.append(element("p", "bad", why));
}

function next() {
  while (running < AT_ONCE && queue.length) {
    running += 1;
    send(queue.shift()).finally(() => { running -= 1; next(); });
  }
}

function send({ file, item, progress }) {
  return new Promise((done) => {
    const data = new FormData();
    if (form.elements.collection?.value) data.append("collection", form.elements.collection.value);
    data.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", "/api/v1/documents");
    request.responseType = "json";
    request.upload.onprogress = (event) => { if (event.lengthComputable) progress.value = event.loaded / event.total; };
    request.onload = () => {
      if (request.status === 201) { item.remove(); show(request.response); }
      else fail(item, request.response?.detail ?? `The server refused this file (status ${request.status}). Nothing of it was stored.`);
      done();
    };
    request.onerror = () => { fail(item, "The connection broke off, so nothing of this file was stored. Upload it again."); done(); };
    request.send(data);
  });
}

function show(doc) {
  const row = element("li", "doc-row");
  row.dataset.filter = `${doc.title} ${doc.file_name}`;
  row.dataset.poll = `/api/v1/documents/${doc.id}`;
  const name = element("div", "doc-name");
  name.append(element("span", "", doc.title), element("small", "", "just now"));
  const badge = element("span", "badge", says[doc.state]);
  badge.dataset.state = doc.state;
  row.append(name, badge, element("div", "doc-acts"));
  document.querySelector(".js-docs").prepend(row);
  document.querySelector(".js-empty")?.remove();
  poll();
}

let timer = 0;
function poll() {
  clearTimeout(timer);
  if (document.querySelector("[data-poll]")) timer = setTimeout(renew, POLL_MS);
}

async function renew() {
  await Promise.all([...document.querySelectorAll("[data-poll]")].slice(0, 10).map(async (row) => {
    const reply = await fetch(row.dataset.poll).catch(() => null);
    if (reply?.status === 404) row.remove();
    if (reply?.ok) update(row, await reply.json());
  }));
  poll();
}

function update(row, doc) {
  const badge = row.querySelector(".badge");
  badge.textContent = says[doc.state];
  badge.dataset.state = doc.state;
  if (doc.state === "ready" || doc.state === "failed") finish(row, doc);
}

// The row as the server renders it takes the place of the one that was followed: with its facts and what can be done.
async function finish(row, doc) {
  delete row.dataset.poll;
  const page = await fetchPage("/library");
  const made = page?.querySelector(`#doc-${CSS.escape(doc.id)}`);
  if (made) row.replaceWith(document.adoptNode(made));
  const count = page?.querySelector(".tabs a b");
  if (count) document.querySelector(".tabs a b").textContent = count.textContent;
}

function fetchPage(address) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onload = () => done(request.status === 200 ? request.response : null);
    request.onerror = () => done(null);
    request.send();
  });
}

if (form) {
  const input = form.querySelector("input[type=file]");
  form.querySelector("button").hidden = true;
  input.addEventListener("change", () => { add(input.files); input.value = ""; });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragenter", "dragover"]) form.addEventListener(name, (event) => { event.preventDefault(); form.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => { event.preventDefault(); add(event.dataTransfer.files); });
}
poll();
