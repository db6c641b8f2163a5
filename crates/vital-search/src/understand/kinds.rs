//! The kinds of document that a question names.

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentKind {
    /// Guidance of an authority, guidelines of ICH.
    Guidance,
    /// Statutes, regulations, directives.
    Regulation,
    /// Consensus standards.
    Standard,
    /// Clinical trials and their protocols.
    Trial,
    /// Papers, reviews, meta-analyses.
    Publication,
    /// Labels, summaries of product characteristics, instructions for use.
    Labelling,
    /// Assessment and approval: review reports, approval letters, EPARs.
    Assessment,
    /// Warning letters, inspections, recalls.
    Enforcement,
    /// Standard operating procedures and work instructions of the organisation.
    Procedure,
    /// Forms, templates, checklists.
    Template,
}

/// Wordings in lower case; a match has to begin and end at a word.
const WORDINGS: &[(&str, DocumentKind)] = &[
    ("guidance", DocumentKind::Guidance),
    ("guidances", DocumentKind::Guidance),
    ("guideline", DocumentKind::Guidance),
    ("guidelines", DocumentKind::Guidance),
    ("regulation", DocumentKind::Regulation),
    ("regulations", DocumentKind::Regulation),
    ("directive", DocumentKind::Regulation),
    ("statute", DocumentKind::Regulation),
    ("standard", DocumentKind::Standard),
    ("standards", DocumentKind::Standard),
    ("clinical trial", DocumentKind::Trial),
    ("clinical trials", DocumentKind::Trial),
    ("protocol", DocumentKind::Trial),
    ("publication", DocumentKind::Publication),
    ("publications", DocumentKind::Publication),
    ("paper", DocumentKind::Publication),
    ("papers", DocumentKind::Publication),
    ("systematic review", DocumentKind::Publication),
    ("meta-analysis", DocumentKind::Publication),
    ("journal article", DocumentKind::Publication),
    ("label", DocumentKind::Labelling),
    ("labelling", DocumentKind::Labelling),
    ("labeling", DocumentKind::Labelling),
    ("package insert", DocumentKind::Labelling),
    ("package leaflet", DocumentKind::Labelling),
    ("instructions for use", DocumentKind::Labelling),
    ("smpc", DocumentKind::Labelling),
    ("summary of product characteristics", DocumentKind::Labelling),
    ("prescribing information", DocumentKind::Labelling),
    ("epar", DocumentKind::Assessment),
    ("assessment report", DocumentKind::Assessment),
    ("approval letter", DocumentKind::Assessment),
    ("warning letter", DocumentKind::Enforcement),
    ("warning letters", DocumentKind::Enforcement),
    ("recall", DocumentKind::Enforcement),
    ("recalls", DocumentKind::Enforcement),
    ("form 483", DocumentKind::Enforcement),
    ("sop", DocumentKind::Procedure),
    ("sops", DocumentKind::Procedure),
    ("standard operating procedure", DocumentKind::Procedure),
    ("standard operating procedures", DocumentKind::Procedure),
    ("work instruction", DocumentKind::Procedure),
    ("template", DocumentKind::Template),
    ("templates", DocumentKind::Template),
    ("checklist", DocumentKind::Template),
];

/// The kinds that a question names, each once. A longer wording hides the shorter ones in it: a `standard operating procedure` is no standard.
pub(super) fn kinds(question: &str) -> Vec<DocumentKind> {
    let text = question.to_lowercase();
    let mut found: Vec<(usize, usize, DocumentKind)> = Vec::new();
    for (wording, kind) in WORDINGS {
        let whole = |at: usize| {
            let before = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            before && text[at + wording.len()..].chars().next().is_none_or(|c| !c.is_alphanumeric())
        };
        found.extend(text.match_indices(wording).filter(|(at, _)| whole(*at)).map(|(at, _)| (at, at + wording.len(), *kind)));
    }
    let hidden =
        |(start, end, _): &(usize, usize, DocumentKind)| found.iter().any(|(s, e, _)| s <= start && end <= e && e - s > end - start);
    let mut kinds: Vec<DocumentKind> = found.iter().filter(|m| !hidden(m)).map(|m| m.2).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_by_whole_words() {
        assert_eq!(kinds("Which FDA guidance and which standards apply?"), [DocumentKind::Guidance, DocumentKind::Standard]);
        assert_eq!(kinds("our standard operating procedure for recalls"), [DocumentKind::Enforcement, DocumentKind::Procedure]);
        assert_eq!(kinds("the SmPC of warfarin"), [DocumentKind::Labelling]);
        assert!(kinds("standardised mean difference, deregulation, labelled").is_empty());
    }
}
