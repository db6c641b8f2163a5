//! Full texts of the Code: the sections of a part, or one section, as in force on a day.

use super::{HOST, LICENCE, NAME, RATE, REMARK, is_day, page, up_to_date};
use crate::{
    Family, Reach, ToolError, ToolInfo, ToolOutput,
    endpoints::below,
    public::{
        Sources,
        fetch::from_source,
        record::{self, Facts, Record},
        xml::{self, Element},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::LazyLock, time::Duration};
use tokio::time::Instant;
use vital_outbound::Accept;

pub(crate) const INFO: ToolInfo = ToolInfo {
    name: "ecfr_text",
    title: "US regulations: full text (eCFR)",
    summary: "Returns the full text of US federal regulations (Code of Federal Regulations) as in force on a day: one section (title 21, section 11.10) \
        or the sections of a part (title 21, part 820), with authority, source notes and the outline of the part. Without `date` it is the current \
        text. A long part comes in steps of `limit` sections from `offset`. FDA: title 21; HHS and human subjects: 45; CMS: 42.",
    input_schema: || &INPUT,
    output_schema: || &OUTPUT,
    reach: Reach::Public { host: HOST },
    family: Family::Regulation,
    licence: LICENCE,
    timeout: Duration::from_secs(20),
    cache: Duration::from_secs(12 * 3_600),
    rate: Some(RATE),
    source: "eCFR API, versioner service (www.ecfr.gov/developers): titles and full; XML as in GPO's eCFR XML User Guide",
};

/// Most entries of an outline.
const OUTLINE_MAX: usize = 400;
/// Elements that are paragraphs, or hold some.
const BLOCKS: [&str; 27] = [
    "P", "HED", "PSPACE", "TABLE", "THEAD", "TBODY", "TR", "GPOTABLE", "ROW", "BOXHD", "EXTRACT", "NOTE", "NOTES", "EXAMPLE", "CITA",
    "SECAUTH", "AUTH", "SOURCE", "EDNOTE", "EFFDNOT", "CROSSREF", "FTNT", "APPRO", "BOXTXT", "UL", "OL", "LI",
];

/// Whether an element is a paragraph or holds some, whichever case its name is in.
fn is_block(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    BLOCKS.contains(&name.as_str()) || ["FP", "HD", "DIV"].iter().any(|begins| name.starts_with(begins))
}

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({ "type": "object", "additionalProperties": false, "required": ["title"], "properties": {
        "title": { "type": "integer", "minimum": 1, "maximum": 50 },
        "part": { "type": "string", "pattern": "^[0-9]{1,5}[a-z]?$", "description": "Such as 820; not needed with a section" },
        "section": { "type": "string", "pattern": "^[0-9]{1,5}[a-z]?\\.[0-9A-Za-z()-]{1,24}$", "description": "Such as 11.10" },
        "date": { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "As in force on this day, from 2017 on" },
        "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 20, "description": "Sections at most" },
        "offset": { "type": "integer", "minimum": 0, "maximum": 2_000, "default": 0 }
    } })
});

static OUTPUT: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({ "type": "string" });
    record::schema(&json!({
        "as_of": { "type": "string", "description": "The day whose text this is" }, "up_to_date_as_of": text, "heading": text,
        "outline": { "type": "array", "items": text, "description": "Headings of all sections that were found" }
    }))
});

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    title: u64,
    part: Option<String>,
    section: Option<String>,
    date: Option<String>,
    #[serde(default = "twenty")]
    limit: usize,
    #[serde(default)]
    offset: usize,
}

fn twenty() -> usize {
    20
}

/// Runs the tool.
pub(crate) async fn run(sources: &Sources, input: &Input, deadline: Instant) -> Result<ToolOutput, ToolError> {
    let in_section = input.section.as_deref().and_then(|section| section.split('.').next());
    let part = match (input.part.as_deref(), in_section) {
        (Some(part), Some(other)) if part != other => {
            return Err(ToolError::argument(INFO.name, "/section", format!("section {other}.… is not in part {part}")));
        }
        (Some(part), _) | (None, Some(part)) => part,
        (None, None) => return Err(ToolError::argument(INFO.name, "", "give a part or a section")),
    };
    let latest = up_to_date(sources, input.title, deadline).await?;
    let day = input.date.clone().unwrap_or_else(|| latest.clone());
    if !is_day(&day) || day > latest {
        return Err(ToolError::argument(
            INFO.name,
            "/date",
            format!("title {} is up to date as of {latest}; no later day has a text", input.title),
        ));
    }
    let file = format!("title-{}.xml", input.title);
    let mut url = below(&sources.endpoints.ecfr, &["api", "versioner", "v1", "full", &day, &file]);
    url.query_pairs_mut().append_pair("part", part);
    if let Some(section) = &input.section {
        url.query_pairs_mut().append_pair("section", section);
    }
    let answer = sources.get(url.clone(), Accept::Types(&["application/xml", "text/xml"]), &RATE, deadline, &[200, 404]).await?;
    if answer.status == 404 {
        let more = json!({ "as_of": day, "up_to_date_as_of": latest, "heading": "", "outline": [] });
        return Ok(record::output(0, &[], &more));
    }
    let root = xml::parse(&answer.body)?;
    let mut sections = Vec::new();
    sections_in(&root, &mut sections);
    if sections.is_empty() && root.elements().next().is_none_or(|first| !first.name.starts_with("DIV")) {
        return Err(ToolError::unreadable("no division of the Code"));
    }
    let heading = root.elements().next().map(|first| first.text_at(&["HEAD"])).unwrap_or_default();
    let outline: Vec<String> = sections.iter().take(OUTLINE_MAX).map(|section| section.text_at(&["HEAD"])).collect();
    let place = Place { title: input.title, part, day: &day, heading: &heading, notes: notes(&root), latest: &latest };
    let records: Vec<Record> = sections.iter().skip(input.offset).take(input.limit).map(|section| place.record(section)).collect();
    let more = json!({ "as_of": day, "up_to_date_as_of": latest, "heading": heading, "outline": outline });
    let mut output = record::output(sections.len() as u64, &records, &more);
    from_source(&mut output.texts, NAME, LICENCE, &url);
    Ok(output.bounded("records"))
}

/// Sections and appendices, in their order.
fn sections_in<'a>(element: &'a Element, found: &mut Vec<&'a Element>) {
    for inner in element.elements() {
        if matches!(inner.attribute("TYPE"), "SECTION" | "APPENDIX") {
            found.push(inner);
        } else if inner.name.starts_with("DIV") {
            sections_in(inner, found);
        }
    }
}

/// The notes of authority and source that stand before the sections.
fn notes(root: &Element) -> Vec<(String, String)> {
    let Some(first) = root.elements().next() else { return Vec::new() };
    let notes = first.elements().filter(|inner| matches!(inner.name.as_str(), "AUTH" | "SOURCE"));
    notes.map(|note| (note.text_at(&["HED"]).trim_end_matches(':').to_owned(), note.text_at(&["PSPACE"]))).collect()
}

/// What the sections of an answer have in common.
struct Place<'a> {
    title: u64,
    part: &'a str,
    day: &'a str,
    heading: &'a str,
    notes: Vec<(String, String)>,
    latest: &'a str,
}

impl Place<'_> {
    fn record(&self, section: &Element) -> Record {
        let number = section.attribute("N").trim_start_matches(['§', ' ']).to_owned();
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".()-".contains(&byte));
        let is_section = section.attribute("TYPE") == "SECTION" && plain;
        let (identifier, place) = match is_section {
            true => (format!("{} CFR {number}", self.title), format!("section-{number}")),
            false => (format!("{} CFR part {}, {number}", self.title, self.part), format!("part-{}", self.part)),
        };
        let head = section.text_at(&["HEAD"]);
        let mut paragraphs = Vec::new();
        blocks(section, &mut paragraphs);
        let of_part = if self.heading == head { "" } else { self.heading };
        let mut facts = Facts::default()
            .add("citation", "Citation", identifier.clone())
            .add("part", "In", of_part)
            .add("as_of", "As in force on", self.day)
            .add("up_to_date_as_of", "The title is up to date as of", self.latest);
        for (name, text) in &self.notes {
            facts = match name.as_str() {
                "Authority" => facts.add("authority", name, text.clone()),
                _ => facts.add("source", name, text.clone()),
            };
        }
        let record = Record {
            title: format!("{identifier}: {}", head.trim_start_matches(['§', ' ', '\u{2009}']).trim_start_matches(&number).trim()),
            url: page(&format!("on/{}", self.day), self.title, &place),
            date: self.day.to_owned(),
            status: if head.to_lowercase().contains("[reserved]") { "reserved".to_owned() } else { String::new() },
            identifier,
            authority: "regulator",
            ..Record::default()
        };
        record.telling(facts, paragraphs.join("\n\n"), REMARK)
    }
}

/// The paragraphs of an element, its heading left out; rows of tables are lines.
fn blocks(element: &Element, out: &mut Vec<String>) {
    for inner in element.elements().filter(|inner| is_block(&inner.name)) {
        if matches!(inner.name.to_ascii_uppercase().as_str(), "TR" | "ROW" | "BOXHD") {
            let cells: Vec<String> = inner.elements().map(Element::text).filter(|cell| !cell.is_empty()).collect();
            out.extend(Some(cells.join(" | ")).filter(|row| !row.is_empty()));
        } else {
            out.extend(Some(inner.text_without(is_block)).filter(|text| !text.is_empty()));
            blocks(inner, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_tables_and_notes_are_read_in_order() {
        let xml = "<DIV8 N=\"1.1\" TYPE=\"SECTION\"><HEAD>§ 1.1 Scope.</HEAD><P>(a) <I>First.</I> One<FTREF/>.</P><EXTRACT><HD1>Form</HD1><P>Two.</P></EXTRACT>\
            <DIV><TABLE><TR><TH>A</TH><TH>B</TH></TR><TR><TD>1</TD><TD/></TR></TABLE></DIV><CITA TYPE=\"N\">[89 FR 1, Jan. 1, 2024]</CITA></DIV8>";
        let root = xml::parse(xml.as_bytes()).unwrap();
        let mut out = Vec::new();
        blocks(root.elements().next().unwrap(), &mut out);
        assert_eq!(out, ["(a) First. One.", "Form", "Two.", "A | B", "1", "[89 FR 1, Jan. 1, 2024]"]);
    }
}
