//! The state that verification carries from entry to entry, for exports and for databases alike.
//!
//! The chain is taken up again behind each fault, so that one altered entry is one fault and not a million. The tree cannot be: once an
//! entry is altered or missing, roots behind it are not compared any more, because they would only repeat what has been said.
//!
//! Memory: the peaks of the tree, the missing ranges, and one record for each process that wrote, all bounded.

use crate::{
    Compact, Hash, LogId, Stamp, TrailError,
    checkpoint::Opened,
    entry::chain,
    fault::{Fault, Note, Report, Signed},
};
use std::collections::HashMap;
use uuid::Uuid;

/// Writing processes that are remembered; a process more starts anew.
const NODES_MAX: usize = 100_000;
/// Missing ranges that are remembered until the end.
const MISSING_MAX: usize = 10_000;
/// Transactions of one process overlap, so their times may be this far out of order.
const CLOCK_TOLERANCE_S: i64 = 30;

/// Where an item stands: the line of an export, or 0.
pub type Place = u64;

/// What verification looks at of one entry.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its place in the log.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The link of the chain that stands with it.
    pub hash: Hash,
    /// When.
    pub at: Stamp,
    /// By which process.
    pub node: Uuid,
    /// The process's own count.
    pub counter: u64,
}

#[derive(Debug)]
struct Writer {
    highest: u64,
    unused: u64,
    first_gap: u64,
    latest: Stamp,
}

/// Verifies one log, item by item.
#[derive(Debug)]
pub struct Checker {
    origin: String,
    next: u64,
    /// What the previous entry says its link is, and what it should be; equal where all is well. None behind something unreadable.
    heads: Option<(Hash, Hash)>,
    tree: Compact,
    /// Whether the tree is followed, which it cannot be from the middle.
    whole: bool,
    tree_sound: bool,
    /// Size of the last checkpoint that fitted.
    good: u64,
    last_size: Option<u64>,
    promised: Option<(Place, Opened)>,
    disagreeing: Vec<u64>,
    disagreeing_total: u64,
    missing: Vec<(u64, u64)>,
    /// Lines in a row that could not be read: each stands for an entry, perhaps.
    unread: u64,
    /// Size of the checkpoint that stands first.
    newest: Option<u64>,
    writers: HashMap<Uuid, Writer>,
    /// What was found so far.
    pub report: Report,
}

impl Checker {
    /// Begins a log at its first entry. `origin` is what its checkpoints must name.
    #[must_use]
    pub fn new(log: LogId, origin: String) -> Self {
        Self {
            origin,
            next: 1,
            heads: Some(([0; 32], [0; 32])),
            tree: Compact::default(),
            whole: true,
            tree_sound: true,
            good: 0,
            last_size: None,
            promised: None,
            disagreeing: Vec::new(),
            disagreeing_total: 0,
            missing: Vec::new(),
            unread: 0,
            newest: None,
            writers: HashMap::new(),
            report: Report::new(Some(log)),
        }
    }

    /// Begins behind a signed checkpoint: with its size and the head of its chain. Roots of later checkpoints are not compared then,
    /// only the heads of the chain that they sign, which cover every entry in between.
    #[must_use]
    pub fn resume(log: LogId, origin: String, size: u64, head: Hash) -> Self {
        let fresh = Self::new(log, origin);
        Self { next: size + 1, heads: Some((head, head)), whole: false, good: size, last_size: Some(size), ..fresh }
    }

    /// How many entries stand in a row so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.next - 1
    }

    /// Takes the next entry. `renumbered` gives the leaf hash that the entry would have under another number.
    pub fn entry(&mut self, place: Place, seen: &Seen, renumbered: impl FnOnce(u64) -> Option<Hash>) {
        self.report.entries += 1;
        let expected = self.next;
        if seen.seq == expected {
            self.link(place, seen);
        } else if self.fits_as(expected, seen, renumbered) {
            // Only its number was changed: the chain knows where it belongs.
            self.broken(place, Fault::Altered { seq: expected });
            self.heads = Some((seen.hash, seen.hash));
            self.next += 1;
        } else if seen.seq > expected {
            if seen.seq - expected == self.unread {
                // The lines before this one have been reported.
                self.tree_sound = false;
            } else {
                self.gap(place, expected, seen.seq - 1);
            }
            self.heads = Some((seen.hash, seen.hash));
            self.next = seen.seq.saturating_add(1);
        } else {
            let moved = self.take_missing(seen.seq);
            self.broken(place, if moved { Fault::Reordered { seq: seen.seq } } else { Fault::Inserted { seq: seen.seq } });
            return;
        }
        self.unread = 0;
        self.writer(place, seen);
    }

    fn link(&mut self, place: Place, seen: &Seen) {
        let fits = match self.heads {
            None => true,
            Some((stated, computed)) => {
                chain(&stated, &seen.leaf) == seen.hash || (stated != computed && chain(&computed, &seen.leaf) == seen.hash)
            }
        };
        if fits {
            self.heads = Some((seen.hash, seen.hash));
        } else {
            let computed = self.heads.map_or(seen.hash, |(stated, _)| chain(&stated, &seen.leaf));
            self.broken(place, Fault::Altered { seq: seen.seq });
            self.heads = Some((seen.hash, computed));
        }
        if self.tree_sound && self.whole {
            self.tree.push(&seen.leaf);
        }
        self.next += 1;
    }

    fn fits_as(&self, expected: u64, seen: &Seen, renumbered: impl FnOnce(u64) -> Option<Hash>) -> bool {
        let Some((stated, computed)) = self.heads else { return false };
        renumbered(expected).is_some_and(|leaf| chain(&stated, &leaf) == seen.hash || chain(&computed, &leaf) == seen.hash)
    }

    fn gap(&mut self, place: Place, from: u64, to: u64) {
        self.tree_sound = false;
        if self.missing.len() < MISSING_MAX {
            self.missing.push((from, to));
        } else {
            self.report.fault(place, Fault::Deleted { from, to });
        }
    }

    /// Takes one number out of the missing ranges.
    fn take_missing(&mut self, seq: u64) -> bool {
        let Some(at) = self.missing.iter().position(|(from, to)| (*from..=*to).contains(&seq)) else { return false };
        let (from, to) = self.missing.swap_remove(at);
        self.missing.extend([(from, seq.saturating_sub(1)), (seq + 1, to)].into_iter().filter(|(from, to)| from <= to));
        true
    }

    fn broken(&mut self, place: Place, fault: Fault) {
        self.tree_sound = false;
        self.report.fault(place, fault);
    }

    /// Takes something that cannot be read and may have been an entry.
    pub fn unreadable(&mut self, place: Place, why: String) {
        self.broken(place, Fault::Unreadable { why });
        // It may have been an entry or a checkpoint; the next entry tells by its number.
        self.heads = None;
        self.unread += 1;
    }

    fn writer(&mut self, place: Place, seen: &Seen) {
        if seen.counter == 0 {
            return;
        }
        if self.writers.len() >= NODES_MAX && !self.writers.contains_key(&seen.node) {
            self.writers.clear();
        }
        let writer = self.writers.entry(seen.node).or_insert(Writer { highest: 0, unused: 0, first_gap: 0, latest: Stamp(i64::MIN) });
        if seen.counter > writer.highest {
            let skipped = seen.counter - writer.highest - 1;
            if skipped > 0 && writer.unused == 0 {
                writer.first_gap = writer.highest;
            }
            writer.unused = writer.unused.saturating_add(skipped);
            writer.highest = seen.counter;
            let back = writer.latest.seconds_since(seen.at);
            if writer.latest.0 != i64::MIN && back > CLOCK_TOLERANCE_S {
                self.report.note(place, Note::ClockBack { seq: seen.seq, seconds: back });
            }
            writer.latest = seen.at;
        } else {
            // Committed after a later one of the same process: no gap.
            writer.unused = writer.unused.saturating_sub(1);
        }
    }

    /// Takes a checkpoint that stands before the entries: the newest one, which the log must reach.
    pub fn promise(&mut self, place: Place, opened: Result<Opened, TrailError>) {
        if let Some(opened) = self.signed(place, opened) {
            self.newest = Some(opened.checkpoint.size);
            self.promised = Some((place, opened));
        }
    }

    /// Takes a checkpoint that stands behind its last entry.
    pub fn checkpoint(&mut self, place: Place, opened: Result<Opened, TrailError>) {
        let Some(opened) = self.signed(place, opened) else { return };
        let size = opened.checkpoint.size;
        if self.newest.is_some_and(|newest| size >= newest) {
            self.report.fault(place, Fault::Misplaced { size });
            return;
        }
        if self.last_size.is_some_and(|last| size <= last) || size != self.size() {
            // Behind a gap the place of a checkpoint says nothing.
            if self.tree_sound || self.last_size.is_some_and(|last| size <= last) {
                self.report.fault(place, Fault::Misplaced { size });
            } else if size > self.size() {
                self.last_size = Some(size);
            }
            return;
        }
        self.last_size = Some(size);
        self.compare(&opened);
    }

    fn signed(&mut self, place: Place, opened: Result<Opened, TrailError>) -> Option<Opened> {
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.report.fault(place, Fault::Forged { why: error.to_string() });
                return None;
            }
        };
        for name in &opened.unknown {
            self.report.note(place, Note::UnknownSigner { name: name.clone() });
        }
        if opened.checkpoint.origin != self.origin {
            self.report.fault(place, Fault::Foreign { origin: opened.checkpoint.origin.clone() });
            return None;
        }
        self.report.checkpoints += 1;
        Some(opened)
    }

    fn compare(&mut self, opened: &Opened) {
        if !self.tree_sound || self.size() != opened.checkpoint.size {
            return;
        }
        let checkpoint = &opened.checkpoint;
        let chain_fits = self.heads.is_none_or(|(stated, _)| stated == checkpoint.chain);
        if chain_fits && (!self.whole || self.tree.root() == checkpoint.root) {
            // Whatever disagreed before does not belong to this history.
            for size in std::mem::take(&mut self.disagreeing) {
                self.report.fault(0, Fault::Forked { size });
            }
            self.disagreeing_total = 0;
            self.good = checkpoint.size;
            let root = hex::encode(checkpoint.root);
            self.report.newest = Some(Signed { size: checkpoint.size, at: checkpoint.at, root });
        } else {
            self.disagreeing_total += 1;
            if self.disagreeing.len() < crate::fault::LISTED_MAX {
                self.disagreeing.push(checkpoint.size);
            }
        }
    }

    /// Called before each entry and at the end: whether the promised newest checkpoint is reached.
    pub fn reach(&mut self) {
        if self.promised.as_ref().is_some_and(|(_, promised)| promised.checkpoint.size == self.size())
            && let Some((place, promised)) = self.promised.take()
        {
            if self.last_size.is_some_and(|last| last >= promised.checkpoint.size) && self.tree_sound {
                self.report.fault(place, Fault::Misplaced { size: promised.checkpoint.size });
            }
            self.last_size = self.last_size.max(Some(promised.checkpoint.size));
            self.compare(&promised);
        }
    }

    /// Ends the log.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.reach();
        for (from, to) in std::mem::take(&mut self.missing) {
            self.report.fault(0, Fault::Deleted { from, to });
        }
        if let Some((place, promised)) = self.promised.take() {
            let signed = promised.checkpoint.size;
            if signed > self.size() {
                self.report.fault(place, Fault::TailCut { found: self.size(), signed });
            }
        }
        if let Some(by) = self.disagreeing.first().copied() {
            self.report.fault(0, Fault::Rewritten { after: self.good, by, checkpoints: self.disagreeing_total });
        }
        let mut gaps: Vec<_> = self.writers.iter().filter(|(_, writer)| writer.unused > 0).collect();
        gaps.sort_by_key(|(node, _)| **node);
        for (node, writer) in gaps {
            self.report.note(0, Note::CounterGap { node: *node, after: writer.first_gap, missing: writer.unused });
        }
        if self.tree_sound && self.size() > self.good && self.disagreeing.is_empty() {
            self.report.note(0, Note::Unsigned { from: self.good + 1, to: self.size() });
        }
        self.report
    }
}
