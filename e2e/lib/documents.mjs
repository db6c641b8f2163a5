// Documents of people who do not exist, on studies that were never run: nothing else can know these facts.

export const STUDY_TITLE = "Clinical study report VP-204";
export const ENDPOINT = "The primary endpoint of Study VP-204 was the change from baseline in the Corvane Fatigue Index at week 26.";
export const QUESTION = "What was the primary endpoint of Study VP-204?";
export const FOLLOW_UP = "How many patients were randomised in Study VP-204?";
export const RANDOMISED = "318";
export const UNANSWERABLE = "What is the average depth of Lake Baikal?";

const SECTIONS = [
  ["Synopsis", [
    "Study VP-204 was a randomised, double-blind, placebo-controlled trial of velorastat in adults with Marlowe-Finch syndrome.",
    "A total of 318 patients were randomised in Study VP-204 at 41 sites, in a ratio of 2:1 to velorastat 40 mg once daily or placebo.",
    ENDPOINT,
    "The key secondary endpoint was the proportion of patients with a Corvane Fatigue Index of 12 points or less at week 26.",
  ]],
  ["Efficacy", [
    "At week 26 the mean change from baseline in the Corvane Fatigue Index was -9.4 points with velorastat and -3.1 points with placebo.",
    "The difference between the groups was -6.3 points, with a 95% confidence interval from -8.0 to -4.6 points.",
    "The response was lower in patients who weighed more than 95 kg, which the protocol had named as a subgroup.",
  ]],
  ["Safety", [
    "Serious adverse events occurred in 11 of 212 patients who received velorastat and in 7 of 106 patients who received placebo.",
    "The most frequent adverse reaction to velorastat was transient metallic taste, in 23% of patients.",
    "Velorastat was stopped permanently in patients whose alanine aminotransferase rose above five times the upper limit of normal.",
  ]],
];

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** Prints a report of three pages, the way a word processor does. */
export async function studyReport(browser) {
  const page = await browser.newPage();
  const body = SECTIONS.map(([title, sentences]) => `<section><h2>${title}</h2>${sentences.map((s) => `<p>${escape(s)}</p>`).join("")}</section>`).join("");
  await page.setContent(`<!doctype html><html lang="en"><title>${STUDY_TITLE}</title><style>body{font:12pt/1.5 "Liberation Serif",serif}section+section{break-before:page}</style><h1>${STUDY_TITLE}</h1>${body}</html>`);
  const pdf = await page.pdf({ format: "A4", margin: { top: "2cm", bottom: "2cm", left: "2.5cm", right: "2.5cm" } });
  await page.close();
  return { name: "VP-204 study report.pdf", mimeType: "application/pdf", buffer: pdf };
}

export const pharmacyManual = {
  name: "VP-204 pharmacy manual.md",
  mimeType: "text/markdown",
  buffer: Buffer.from("# Pharmacy manual VP-204\n\n## Storage\n\nKeep velorastat bottles between 15 and 25 degrees Celsius and away from light. After opening, a bottle may be used for 45 days.\n\n## Accountability\n\nThe pharmacist records each bottle that is dispensed in the accountability log on the same day.\n"),
};

export const studySummary = {
  name: "VP-204 summary.md",
  mimeType: "text/markdown",
  buffer: Buffer.from("# Summary of Study VP-204\n\nA total of 318 patients were randomised in Study VP-204 between March 2031 and May 2032.\n"),
};

export const badFiles = [
  { file: { name: "empty report.pdf", mimeType: "application/pdf", buffer: Buffer.alloc(0) }, says: /empty/i },
  { file: { name: "not a report.pdf", mimeType: "application/pdf", buffer: Buffer.from("This was never a PDF, \u0000 whatever its name says.\u0001\u0002") }, says: /PDF/ },
  { file: { name: "cut report.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0") }, says: /PDF/ },
  { file: { name: "figure.png", mimeType: "image/png", buffer: Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64") }, says: /PDF, DOCX|image/i },
];
