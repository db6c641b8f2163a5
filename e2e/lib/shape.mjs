// What a reader's tools see of a turn, to compare what scripts built with what the server renders.

/** Runs in the page: elements, their attributes and texts, one a line. What only says whether something is open or live is left out. */
export function shape(turn) {
  const LEFT_OUT = ["open", "aria-busy", "data-events", "data-state", "aria-current", "aria-describedby", "style"];
  const lines = [];
  const walk = (node, depth) => {
    const pad = " ".repeat(depth);
    if (node.nodeType === Node.TEXT_NODE) return;
    if (node.hidden || node.matches(".js-copy, .js-stop")) return;
    const attributes = [...node.attributes].filter((a) => !LEFT_OUT.includes(a.name)).map((a) => `${a.name}=${a.value}`).sort();
    const own = [...node.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join("").replace(/\s+/g, " ").trim();
    lines.push(`${pad}${node.localName} ${attributes.join(" ")} | ${own}`);
    for (const child of node.childNodes) walk(child, depth + 1);
  };
  walk(turn, 0);
  return lines.join("\n");
}
