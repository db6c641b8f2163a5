// Filters a list as you type. Every word has to occur; groups without a hit disappear.
const field = document.querySelector(".js-filter");
const none = document.querySelector(".js-none");

function apply() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  let all = 0;
  for (const item of document.querySelectorAll(".js-filtered > [data-filter]")) {
    const text = item.dataset.filter.toLowerCase();
    item.hidden = !words.every((word) => text.includes(word));
    all += 1;
    if (!item.hidden) shown += 1;
  }
  for (const group of document.querySelectorAll(".js-group")) group.hidden = !group.querySelector("[data-filter]:not([hidden])");
  if (none) none.hidden = shown > 0 || all === 0 || words.length === 0;
}

if (field) {
  field.hidden = false;
  field.addEventListener("input", apply);
  field.addEventListener("keydown", (event) => { if (event.key === "Escape") { field.value = ""; apply(); } });
  if (field.value) apply();
}
