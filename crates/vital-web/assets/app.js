// What every page has: light and dark, the composer's keys, menus that close. Works on what the server rendered; nothing depends on it.
const root = document.documentElement;

function setTheme(theme) {
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  const age = theme ? 31536000 : 0;
  document.cookie = `vital_theme=${theme}; path=/; max-age=${age}; samesite=lax`;
}

for (const button of document.querySelectorAll(".js-theme")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    setTheme(dark ? "light" : "dark");
  });
}
for (const part of document.querySelectorAll(".js-only")) part.hidden = false;
document.querySelector(".js-themes")?.addEventListener("change", (event) => setTheme(event.target.value));

const question = document.querySelector("#question");
question?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    question.form.requestSubmit();
  }
});
question?.form.addEventListener("submit", (event) => {
  if (!question.value.trim()) { event.preventDefault(); question.focus(); return; }
  event.submitter?.setAttribute("aria-disabled", "true");
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const field = question ?? document.querySelector("input[type=search]");
    const finder = document.querySelector(".js-finder");
    if (field ?? finder) event.preventDefault();
    if (field) field.focus(); else finder?.click();
  }
  if (event.key === "Escape") closeMenus(null);
});
document.addEventListener("click", (event) => closeMenus(event.target));

function closeMenus(target) {
  for (const open of document.querySelectorAll("details.menu[open], details.confirm[open]")) {
    if (!target || !open.contains(target)) open.open = false;
  }
}

// What is shown once can be copied with one press.
if (navigator.clipboard) for (const button of document.querySelectorAll(".js-clipboard")) button.hidden = false;
document.addEventListener("click", async (event) => {
  const button = event.target.closest(".js-clipboard");
  const lines = button && [...document.getElementById(button.dataset.of).querySelectorAll("code")];
  if (!lines) return;
  const text = (lines.length ? lines : [document.getElementById(button.dataset.of)]).map((line) => line.textContent).join("\n");
  if (await navigator.clipboard.writeText(text).then(() => true, () => false)) button.textContent = button.dataset.done;
});
