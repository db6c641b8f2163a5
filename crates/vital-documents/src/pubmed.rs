//! Records of PubMed: each article with its title, where and when it appeared, its number, and its abstract.
//!
//! Follows the NLM's DTD of January 2025 (`PubmedArticleSet`, `MedlineCitation`, `BookDocument`). Parts of a structured
//! abstract are headed by their labels, an abstract without parts by "Abstract". Not here: authors, index terms, references,
//! and abstracts of others (`OtherAbstract`).

use crate::{
    BlockKind, Format, ParseError, ParseLimits, Parsed,
    canonical::{Canonical, raised, title_of_many},
    xml::{self, Xml, attribute},
};
use quick_xml::events::BytesStart;

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let mut reader = Reader::new(limits);
    xml::events(bytes, Format::Pubmed, limits, |event| reader.event(&event))?;
    let title = title_of_many(reader.title, reader.articles);
    reader.canonical.finish(Format::Pubmed, title, None)
}

/// What a text that is being read belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Pmid,
    Title,
    Journal,
    Date,
    Abstract,
    Publication,
}

/// The record being read.
#[derive(Default)]
struct Record {
    pmid: String,
    title: String,
    journal: String,
    date: String,
    /// Labels and texts.
    parts: Vec<(Option<String>, String)>,
    retracted: bool,
}

struct Reader {
    canonical: Canonical,
    open: Vec<String>,
    record: Record,
    /// The field being read, and the depth of its element.
    field: Option<(Field, usize)>,
    text: String,
    raised_from: Option<usize>,
    title: Option<String>,
    articles: usize,
}

impl Reader {
    fn new(limits: &ParseLimits) -> Self {
        Self {
            canonical: Canonical::new(limits),
            open: Vec::new(),
            record: Record::default(),
            field: None,
            text: String::new(),
            raised_from: None,
            title: None,
            articles: 0,
        }
    }

    fn event(&mut self, event: &Xml<'_>) -> Result<(), ParseError> {
        match event {
            Xml::Open { name, element } => {
                self.open(name, element);
                self.open.push((*name).to_owned());
            }
            Xml::Close { name } => {
                self.open.pop();
                self.close(name)?;
            }
            Xml::Text(text) if self.field.is_some() => self.text.push_str(text),
            Xml::Text(_) => {}
        }
        Ok(())
    }

    fn open(&mut self, name: &str, element: &BytesStart<'_>) {
        if self.field.is_some() {
            if name == "sup" {
                self.raised_from = Some(self.text.len());
            }
            return;
        }
        let field = match (name, self.open.last().map_or("", String::as_str)) {
            ("PMID", "MedlineCitation" | "BookDocument") => Field::Pmid,
            ("ArticleTitle", "Article" | "BookDocument") | ("BookTitle", "Book") => Field::Title,
            ("Title", "Journal") => Field::Journal,
            ("Year" | "Month" | "Day" | "Season" | "MedlineDate", "PubDate") => Field::Date,
            ("AbstractText", "Abstract") => {
                let label = attribute(element, "Label").filter(|l| !l.trim().is_empty() && l != "UNLABELLED");
                self.record.parts.push((label, String::new()));
                Field::Abstract
            }
            ("PublicationType", "PublicationTypeList") => Field::Publication,
            _ => return,
        };
        self.field = Some((field, self.open.len()));
        self.text.clear();
    }

    fn close(&mut self, name: &str) -> Result<(), ParseError> {
        if let Some((field, depth)) = self.field {
            if name == "sup"
                && let Some(from) = self.raised_from.take()
                && from <= self.text.len()
            {
                let tail = self.text.split_off(from);
                self.text.push_str(&raised(tail.trim()));
            }
            if depth == self.open.len() {
                self.field = None;
                self.end_field(field);
            }
            return Ok(());
        }
        if matches!(name, "PubmedArticle" | "PubmedBookArticle") {
            let record = std::mem::take(&mut self.record);
            self.write(&record)?;
        }
        Ok(())
    }

    fn end_field(&mut self, field: Field) {
        let text = std::mem::take(&mut self.text);
        let record = &mut self.record;
        match field {
            Field::Pmid => record.pmid = text,
            // The title of a chapter comes after that of its book and is the better one.
            Field::Title => record.title = text,
            Field::Journal => record.journal = text,
            Field::Date => {
                record.date.push(' ');
                record.date.push_str(&text);
            }
            Field::Abstract => {
                if let Some((_, part)) = record.parts.last_mut() {
                    *part = text;
                }
            }
            Field::Publication => record.retracted |= text.trim() == "Retracted Publication",
        }
    }

    fn write(&mut self, record: &Record) -> Result<(), ParseError> {
        let canonical = &mut self.canonical;
        self.articles += 1;
        if record.retracted {
            canonical.warn(format!("The article with PMID {} was retracted.", shown(&record.pmid)));
        }
        self.title.get_or_insert_with(|| record.title.clone());
        canonical.push(BlockKind::Heading { level: 1 }, &record.title, None)?;
        let number = if record.pmid.trim().is_empty() { String::new() } else { format!("PMID {}", record.pmid.trim()) };
        let place: Vec<&str> = [record.journal.trim(), record.date.trim(), &number].into_iter().filter(|p| !p.is_empty()).collect();
        canonical.push(BlockKind::Paragraph, &place.join(", "), None)?;
        for (index, (label, text)) in record.parts.iter().enumerate() {
            let heading = label.as_deref().or((index == 0).then_some("Abstract"));
            if let Some(heading) = heading.filter(|_| !text.trim().is_empty()) {
                canonical.push(BlockKind::Heading { level: 2 }, heading, None)?;
            }
            canonical.push(BlockKind::Paragraph, text, None)?;
        }
        Ok(())
    }
}

/// The start of a number from the file, short enough for a message.
fn shown(number: &str) -> String {
    number.trim().chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCTYPE: &str = "<?xml version=\"1.0\" ?>\n<!DOCTYPE PubmedArticleSet PUBLIC \"-//NLM//DTD PubMedArticle, 1st January 2025//EN\" \
        \"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd\">";

    fn record(pmid: u32, title: &str, parts: &str) -> String {
        format!(
            "<PubmedArticle><MedlineCitation Status=\"MEDLINE\"><PMID Version=\"1\">{pmid}</PMID><DateRevised><Year>2024</Year></DateRevised>
            <Article><Journal><ISSN>1</ISSN><JournalIssue><Volume>3</Volume><PubDate><Year>2023</Year><Month>Mar</Month><Day>5</Day></PubDate></JournalIssue>
            <Title>Lancet (London, England)</Title></Journal><ArticleTitle>{title}</ArticleTitle><Abstract>{parts}<CopyrightInformation>©</CopyrightInformation></Abstract>
            <AuthorList><Author><LastName>Doe</LastName></Author></AuthorList><PublicationTypeList><PublicationType>Journal Article</PublicationType></PublicationTypeList></Article>
            <CommentsCorrectionsList><CommentsCorrections><PMID>99</PMID></CommentsCorrections></CommentsCorrectionsList></MedlineCitation>
            <PubmedData><History><PubMedPubDate><Year>2022</Year></PubMedPubDate></History></PubmedData></PubmedArticle>"
        )
    }

    fn read(records: &str) -> Parsed {
        let source = format!("{DOCTYPE}<PubmedArticleSet>{records}</PubmedArticleSet>");
        crate::parse("pubmed.xml", source.as_bytes(), &ParseLimits::default()).unwrap()
    }

    #[test]
    fn a_record_has_title_place_and_labelled_abstract() {
        let parts = "<AbstractText Label=\"BACKGROUND\" NlmCategory=\"BACKGROUND\">Pain is <i>common</i>.</AbstractText><AbstractText Label=\"RESULTS\">10<sup>6</sup> cells.</AbstractText>";
        let parsed = read(&record(123, "Effect of X.", parts));
        assert_eq!(
            parsed.text,
            "Effect of X.\n\nLancet (London, England), 2023 Mar 5, PMID 123\n\nBACKGROUND\n\nPain is common.\n\nRESULTS\n\n10⁶ cells."
        );
        use BlockKind::{Heading, Paragraph};
        let kinds: Vec<_> = parsed.blocks.iter().map(|b| b.kind).collect();
        assert_eq!(kinds, [Heading { level: 1 }, Paragraph, Heading { level: 2 }, Paragraph, Heading { level: 2 }, Paragraph]);
        assert_eq!(parsed.title.as_deref(), Some("Effect of X."));
    }

    #[test]
    fn several_records_are_one_heading_each_and_say_how_many() {
        let parsed = read(&(record(1, "First", "<AbstractText>One.</AbstractText>") + &record(2, "Second", "") + &record(3, "Third", "")));
        let titles: Vec<_> =
            parsed.blocks.iter().filter(|b| b.kind == BlockKind::Heading { level: 1 }).map(|b| &parsed.text[b.start..b.end]).collect();
        assert_eq!(titles, ["First", "Second", "Third"]);
        assert_eq!(parsed.title.as_deref(), Some("First, and 2 more"));
        assert!(parsed.text.contains("PMID 1\n\nAbstract\n\nOne."));
    }

    #[test]
    fn a_retracted_article_is_said() {
        let retracted = record(7, "Gone", "").replace("Journal Article", "Retracted Publication");
        assert_eq!(read(&retracted).warnings, ["The article with PMID 7 was retracted."]);
    }

    #[test]
    fn hostile_sets_end_with_their_own_error() {
        let error = |source: &str| crate::parse("a.xml", source.as_bytes(), &ParseLimits::default()).unwrap_err();
        let laughs = "<!DOCTYPE PubmedArticleSet [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><PubmedArticleSet>&b;</PubmedArticleSet>";
        assert!(error(laughs).to_string().contains("entities of its own"));
        assert_eq!(error(&format!("<PubmedArticleSet>{}", "<i>".repeat(600))), ParseError::TooDeep { limit: 512 });
        assert_eq!(error("<PubmedArticleSet></PubmedArticleSet>"), ParseError::NoText { pages: None });
        assert!(matches!(error("<PubmedArticleSet><PubmedArticle>"), ParseError::Damaged { .. }));
    }
}
