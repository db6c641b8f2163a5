//! Verifies an export while it is read: blocks of lines are parsed and hashed by several threads, the chain and the tree are followed by
//! one. Memory does not grow with the export.

use crate::{
    Checker, Checkpoint, Hash, Keys, LogId, Report, Seen, TrailError,
    checkpoint::Opened,
    export::{CHECKPOINT_START, EntryLine, ExportHeader, LINE_BYTES_MAX, open_line},
    fault::Fault,
};
use std::{
    io::{BufRead, ErrorKind, Read},
    ops::Range,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// Bytes that are handed to a thread at a time.
const BLOCK_BYTES: usize = 512 * 1024;
/// Blocks that wait for each thread, and behind it.
const BLOCKS_WAITING: usize = 3;
/// Most threads.
const THREADS_MAX: usize = 64;

/// What one line is.
enum Line {
    Entry { seen: Seen, at: Range<usize> },
    Checkpoint(Box<Result<Opened, TrailError>>),
    Unreadable(&'static str),
}

/// Some whole lines.
struct Block {
    bytes: Vec<u8>,
    lines: Vec<Line>,
}

/// Verifies an export with the given public keys. `threads` parse; one more follows the chain.
///
/// # Errors
/// `Io` where reading fails. Everything that is wrong with the export itself stands in the report.
pub fn verify(mut from: impl BufRead, keys: &Keys, threads: usize) -> Result<Report, TrailError> {
    let mut first = Vec::new();
    from.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut first)?;
    let header = match ExportHeader::parse(first.strip_suffix(b"\n").unwrap_or(&first)) {
        Ok(header) if first.ends_with(b"\n") => header,
        Ok(_) => return Ok(refused("it is cut".to_owned())),
        Err(error) => return Ok(refused(error.to_string())),
    };
    let named = keys.all().iter().any(|key| Checkpoint::origin_of(key.name(), header.log) == header.origin);
    if !named {
        return Ok(refused(format!("its origin `{}` is not that of its log under any of the given keys", header.origin)));
    }
    let checker = Checker::new(header.log, header.origin.clone());
    let threads = threads.clamp(1, THREADS_MAX);
    thread::scope(|scope| {
        let (mut to, mut done) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (send, receive) = sync_channel::<Vec<u8>>(BLOCKS_WAITING);
            let (hand_on, parsed) = sync_channel(BLOCKS_WAITING);
            scope.spawn(move || work(&receive, &hand_on, header.log, keys));
            to.push(send);
            done.push(parsed);
        }
        let following = scope.spawn({
            let header = &header;
            move || follow(checker, &done, header)
        });
        let read = deal(from, to);
        let report = following.join().map_err(|_| TrailError::Io(std::io::Error::other("a thread failed")))?;
        read.map(|()| report)
    })
}

fn refused(why: String) -> Report {
    let mut report = Report::new(None);
    report.fault(1, Fault::Header { why });
    report
}

/// Reads blocks that end with a line and deals them out in turn.
#[expect(clippy::needless_pass_by_value, reason = "dropping the channels ends the threads")]
fn deal(mut from: impl BufRead, to: Vec<SyncSender<Vec<u8>>>) -> Result<(), TrailError> {
    for turn in 0_usize.. {
        let mut block = Vec::with_capacity(BLOCK_BYTES + 4096);
        from.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            break;
        }
        if !block.ends_with(b"\n") {
            from.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut block)?;
        }
        let closed = to.get(turn % to.len()).is_none_or(|send| send.send(block).is_err());
        if closed {
            return Err(TrailError::Io(ErrorKind::BrokenPipe.into()));
        }
    }
    Ok(())
}

fn work(receive: &Receiver<Vec<u8>>, hand_on: &SyncSender<Block>, log: LogId, keys: &Keys) {
    let mut scratch = Scratch::default();
    for bytes in receive {
        let mut lines = Vec::with_capacity(bytes.len() / 256);
        let mut start = 0;
        while start < bytes.len() {
            let end = bytes[start..].iter().position(|b| *b == b'\n').map(|n| start + n);
            lines.push(match end {
                None => Line::Unreadable("its end is missing"),
                Some(end) => scratch.read(&bytes, start..end, log, keys),
            });
            start = end.map_or(bytes.len(), |end| end + 1);
        }
        if hand_on.send(Block { bytes, lines }).is_err() {
            return;
        }
    }
}

#[derive(Default)]
struct Scratch {
    spelled: Vec<u8>,
    encoded: Vec<u8>,
}

impl Scratch {
    fn read(&mut self, bytes: &[u8], at: Range<usize>, log: LogId, keys: &Keys) -> Line {
        let line = &bytes[at.clone()];
        if line.len() >= LINE_BYTES_MAX {
            return Line::Unreadable("it is too long");
        }
        if line.starts_with(CHECKPOINT_START) {
            return Line::Checkpoint(Box::new(open_line(line, keys)));
        }
        let Ok(read) = serde_json::from_slice::<EntryLine<'_>>(line) else { return Line::Unreadable("it is no entry") };
        self.spelled.clear();
        if serde_json::to_writer(&mut self.spelled, &read).is_err() || self.spelled != line {
            return Line::Unreadable("it is not in its one spelling");
        }
        let (seq, hash, at_time, node, counter) = (read.seq, read.hash, read.at, read.node, read.counter);
        let leaf = read.entry(log).leaf_with(&mut self.encoded);
        Line::Entry { seen: Seen { seq, leaf, hash, at: at_time, node, counter }, at }
    }
}

/// The leaf hash of an entry under another number; only asked for where the number does not fit.
fn renumbered(line: &[u8], log: LogId, seq: u64) -> Option<Hash> {
    let mut entry = serde_json::from_slice::<EntryLine<'_>>(line).ok()?.entry(log);
    entry.seq = seq;
    Some(entry.leaf())
}

fn follow(mut checker: Checker, done: &[Receiver<Block>], header: &ExportHeader) -> Report {
    let (mut place, mut checkpoints, mut newest_first) = (1, 0, false);
    for turn in 0_usize.. {
        let Some(Ok(block)) = done.get(turn % done.len()).map(Receiver::recv) else { break };
        for line in block.lines {
            place += 1;
            match line {
                Line::Entry { seen, at } => {
                    checker.reach();
                    checker.entry(place, &seen, |seq| renumbered(&block.bytes[at], header.log, seq));
                }
                Line::Checkpoint(opened) => {
                    checkpoints += 1;
                    if place == 2 {
                        newest_first = true;
                        checker.promise(place, *opened);
                    } else {
                        checker.checkpoint(place, *opened);
                    }
                }
                Line::Unreadable(why) => checker.unreadable(place, why.to_owned()),
            }
        }
    }
    let mut report = checker.finish();
    let (found, stated) = (report.entries, header.entries);
    // Where something else was found, it tells more than the count.
    if found != stated && report.sound {
        report.fault(0, Fault::Miscounted { what: "entries", found, stated });
    }
    if header.checkpoints > 0 && !newest_first && report.sound {
        report.fault(2, Fault::Header { why: "the newest checkpoint does not stand behind it".to_owned() });
    }
    if checkpoints != header.checkpoints && report.sound {
        report.fault(0, Fault::Miscounted { what: "checkpoints", found: checkpoints, stated: header.checkpoints });
    }
    report
}
