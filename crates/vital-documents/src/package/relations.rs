//! Relations: which part belongs to which (ECMA-376 Part 2, section 9), and how a part names another.

use super::Package;
use crate::{
    ParseError,
    xml::{Xml, attribute},
};
use percent_encoding::percent_decode_str;

/// A link from one part of a package to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    /// The id by which the part refers to it.
    pub(crate) id: String,
    /// The last word of its type, such as `slide`; it is the same in the transitional and the strict form.
    pub(crate) kind: String,
    /// The name of the part it leads to.
    pub(crate) target: String,
}

impl Package<'_> {
    /// The relations of a part; those of the package itself for the empty name. Links that lead out of the package are left
    /// out, so that nothing can follow them.
    pub(crate) fn relations(&mut self, part: &str) -> Result<Vec<Relation>, ParseError> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let name = if folder.is_empty() { format!("_rels/{file}.rels") } else { format!("{folder}/_rels/{file}.rels") };
        let mut found = Vec::new();
        self.events(&name, |event| {
            if let Xml::Open { name: "Relationship", element } = event
                && attribute(element, "TargetMode").is_none_or(|mode| mode != "External")
                && let (Some(id), Some(kind), Some(target)) =
                    (attribute(element, "Id"), attribute(element, "Type"), attribute(element, "Target"))
            {
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                found.push(Relation { id, kind, target: resolve(part, &target) });
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// The name of the part that a reference in another part leads to: relative to its folder, or from the root. Steps above the
/// root end at the root; the name is only ever looked up in the package.
pub(crate) fn resolve(from: &str, reference: &str) -> String {
    let path = reference.split(['#', '?']).next().unwrap_or_default();
    let path = percent_decode_str(path).decode_utf8_lossy();
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let base = if path.starts_with('/') { "" } else { folder };
    let mut steps: Vec<&str> = Vec::new();
    for step in base.split('/').chain(path.split('/')) {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, ParseLimits, fixtures::zip_of};

    #[test]
    fn references_are_resolved_within_the_package() {
        assert_eq!(resolve("ppt/slides/slide1.xml", "../notesSlides/notesSlide1.xml"), "ppt/notesSlides/notesSlide1.xml");
        assert_eq!(resolve("ppt/presentation.xml", "/ppt/slides/slide1.xml"), "ppt/slides/slide1.xml");
        assert_eq!(resolve("OEBPS/book.opf", "text/Chapter%201.xhtml#top"), "OEBPS/text/Chapter 1.xhtml");
        assert_eq!(resolve("a.xml", "../../../etc/passwd"), "etc/passwd");
    }

    #[test]
    fn links_that_lead_out_are_not_followed() {
        let rels = br#"<Relationships><Relationship Id="r1" Type="http://x/officeDocument" Target="word/a.xml"/>
            <Relationship Id="r2" Type="http://x/image" Target="http://example.org/x.png" TargetMode="External"/></Relationships>"#;
        let file = zip_of(&[("_rels/.rels", rels)]);
        let limits = ParseLimits::default();
        let relations = Package::open(Format::Docx, &file, &limits).unwrap().relations("").unwrap();
        assert_eq!(relations, [Relation { id: "r1".into(), kind: "officeDocument".into(), target: "word/a.xml".into() }]);
    }
}
