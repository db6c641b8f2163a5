//! Arranges chosen sentences into an answer: lead, points grouped by what they say, contradictions side by side, and what is not covered.

use super::candidates::CandidateSentence;
use super::conflict::conflicts;
use super::question::{Kind, Question};
use super::relevance::{Relevance, uncovered};
use super::select::Chosen;
use super::{ComposedBlock, ComposedSentence};
use crate::ask::answer::BlockKind;
use crate::knowledge::Evidence;
use std::collections::HashSet;
use vital_search::content_terms;

/// Fewest points that get a heading of their own.
const GROUP_MIN: usize = 2;
/// Most terms that the note names.
const UNCOVERED_MAX: usize = 4;
/// Heading over sentences that contradict one another.
const DIFFER: &str = "Sources differ";
/// Heading over points that belong to no group.
const FURTHER: &str = "Also relevant";

/// What an answer is made of.
pub(crate) struct Material<'a> {
    pub(crate) question: &'a Question,
    pub(crate) evidence: &'a [Evidence],
    pub(crate) candidates: &'a [CandidateSentence],
    pub(crate) relevance: &'a [Relevance],
}

impl Material<'_> {
    /// Builds the blocks of an answer.
    pub(crate) fn blocks(&self, leads: &[Chosen], points: &[Chosen]) -> Vec<ComposedBlock> {
        let all: Vec<usize> = leads.iter().chain(points).map(|c| c.index).collect();
        let pairs = conflicts(self.evidence, self.candidates, self.relevance, &all);
        let differing: HashSet<usize> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let mut blocks = vec![ComposedBlock { kind: BlockKind::Lead, sentences: leads.iter().map(|c| self.sentence(c)).collect() }];
        if !pairs.is_empty() {
            blocks.push(heading(DIFFER));
            blocks.extend(leads.iter().chain(points).filter(|c| differing.contains(&c.index)).map(|c| self.point(c)));
        }
        let rest: Vec<&Chosen> = points.iter().filter(|c| !differing.contains(&c.index)).collect();
        blocks.extend(self.groups(leads, &rest));
        blocks.extend(self.note(&all));
        blocks
    }

    fn sentence(&self, chosen: &Chosen) -> ComposedSentence {
        let candidate = &self.candidates[chosen.index];
        let spans = std::iter::once(chosen.index).chain(chosen.same.iter().copied()).map(|i| self.candidates[i].span()).collect();
        ComposedSentence { text: candidate.text.clone(), spans }
    }

    fn point(&self, chosen: &Chosen) -> ComposedBlock {
        ComposedBlock { kind: BlockKind::Point, sentences: vec![self.sentence(chosen)] }
    }

    /// Points of the lead's own section, and those of no special section, follow it; the others stand under headings that say what they share.
    fn groups(&self, leads: &[Chosen], points: &[&Chosen]) -> Vec<ComposedBlock> {
        let mut own: HashSet<String> = leads.iter().filter_map(|c| self.section(c.index)).collect();
        own.insert(String::new());
        let mut groups: Vec<(String, Vec<&Chosen>)> = Vec::new();
        for point in points {
            let name = self.section(point.index).unwrap_or_default();
            match groups.iter_mut().find(|(n, _)| *n == name) {
                Some((_, group)) => group.push(point),
                None => groups.push((name, vec![point])),
            }
        }
        let mut blocks = Vec::new();
        for (_, group) in groups.iter().filter(|(n, _)| own.contains(n)) {
            blocks.extend(self.in_order(group));
        }
        let (headed, loose): (Vec<_>, Vec<_>) =
            groups.iter().filter(|(n, _)| !own.contains(n)).partition(|(n, g)| !n.is_empty() && g.len() >= GROUP_MIN);
        for (name, group) in headed {
            blocks.push(heading(name));
            blocks.extend(self.in_order(group));
        }
        let loose: Vec<&Chosen> = loose.into_iter().flat_map(|(_, g)| g.iter().copied()).collect();
        match loose.as_slice() {
            [] => {}
            several if several.len() >= GROUP_MIN => {
                let name = self.shared_name(several).unwrap_or_else(|| FURTHER.to_owned());
                blocks.push(heading(&name));
                blocks.extend(several.iter().map(|c| self.point(c)));
            }
            one => {
                if !blocks.is_empty() && blocks.iter().any(|b| b.kind == BlockKind::Heading) {
                    blocks.push(heading(FURTHER));
                }
                blocks.extend(one.iter().map(|c| self.point(c)));
            }
        }
        blocks
    }

    /// Sentences of one passage in the order in which they stand there.
    fn in_order(&self, group: &[&Chosen]) -> Vec<ComposedBlock> {
        let mut group = group.to_vec();
        let first = |c: &&Chosen| group_key(self.candidates, c);
        group.sort_by_key(first);
        group.iter().map(|c| self.point(c)).collect()
    }

    /// The heading of the section a sentence stands in; none where that is only the title of the document.
    fn section(&self, index: usize) -> Option<String> {
        let evidence = self.evidence.get(self.candidates[index].evidence)?;
        let last = evidence.heading_path.last()?.trim();
        let bare = last.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ' | ')'));
        let is_title = bare.eq_ignore_ascii_case(evidence.title.trim());
        let fits = !is_title && (3..=80).contains(&bare.chars().count()) && !bare.eq_ignore_ascii_case("what it is");
        fits.then(|| bare.to_owned())
    }

    /// A heading from terms that all sentences of a group share and the question does not have.
    fn shared_name(&self, group: &[&Chosen]) -> Option<String> {
        let asked: HashSet<&String> = self.question.terms.iter().flat_map(|t| &t.stems).collect();
        let (first, rest) = group.split_first()?;
        let text = &self.candidates[first.index].text;
        let shared = vital_search::content_spans(text).into_iter().find(|s| {
            let long = s.term.len() >= 5 && s.term.bytes().all(|b| b.is_ascii_lowercase());
            long && !asked.contains(&s.term) && rest.iter().all(|c| self.relevance[c.index].terms.contains(&s.term))
        })?;
        let word = &text[shared.range];
        let mut chars = word.chars();
        let capital = chars.next()?.to_uppercase().to_string();
        Some(capital + chars.as_str())
    }

    /// What the question names and no chosen sentence or its section has.
    fn note(&self, chosen: &[usize]) -> Option<ComposedBlock> {
        let credits: Vec<&Vec<f32>> = chosen.iter().map(|i| &self.relevance[*i].credits).collect();
        let by_meaning = chosen.iter().filter_map(|i| self.relevance[*i].cosine).fold(0.0, f32::max);
        let missing: Vec<String> = uncovered(self.question, &credits)
            .into_iter()
            .filter(|t| t.kind != Kind::Plain || by_meaning < 0.6)
            .filter(|t| content_terms(&t.surface).iter().all(|s| s.len() >= 3))
            .map(|t| t.surface.clone())
            .take(UNCOVERED_MAX)
            .collect();
        if missing.is_empty() {
            return None;
        }
        let text = format!("The sources found say nothing about: {}.", missing.join(", "));
        Some(ComposedBlock { kind: BlockKind::Note, sentences: vec![ComposedSentence { text, spans: Vec::new() }] })
    }
}

fn group_key(candidates: &[CandidateSentence], chosen: &Chosen) -> (usize, usize) {
    let candidate = &candidates[chosen.index];
    (candidate.evidence, candidate.range.start)
}

fn heading(text: &str) -> ComposedBlock {
    ComposedBlock { kind: BlockKind::Heading, sentences: vec![ComposedSentence { text: text.to_owned(), spans: Vec::new() }] }
}
