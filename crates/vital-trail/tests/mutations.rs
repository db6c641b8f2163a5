//! Every change of an export is found: ten thousand random ones, and the ones an attacker would make who can compute hashes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;
use uuid::Uuid;
use vital_trail::{
    Checkpoint, Compact, Entry, ExportHeader, ExportWriter, Fault, Hash, Keys, Kind, LogId, Note, Report, SignedNote, SigningKey, Stamp,
    chain, verify,
};

const NAME: &str = "vital/test";
const LOG: LogId = LogId(Uuid::from_u128(0x1234_5678));
const START: i64 = 1_795_387_523_000_000;

/// SplitMix64, so that a failing case can be run again from its number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

struct Log {
    key: SigningKey,
    keys: Keys,
}

static SIGNER: LazyLock<Log> = LazyLock::new(|| {
    let key = SigningKey::parse(&SigningKey::generate(NAME).unwrap(), Kind::Log).unwrap();
    let mut keys = Keys::default();
    keys.add(key.public().clone());
    Log { key, keys }
});

fn entry(seq: u64) -> Entry<'static> {
    Entry {
        log: LOG,
        seq,
        id: Uuid::from_u128(u128::from(seq) << 64 | 7),
        at: Stamp(START + i64::try_from(seq).unwrap() * 1_000),
        node: Uuid::from_u128(1 + u128::from(seq % 2)),
        counter: seq.div_ceil(2),
        actor: (!seq.is_multiple_of(3)).then(|| Uuid::from_u128(9)),
        action: ["document.read", "turn.asked", "user.changed"][usize::try_from(seq % 3).unwrap()].into(),
        resource: "document".into(),
        resource_id: format!("id \"{seq}\" ü").into(),
        fields: if seq.is_multiple_of(3) { vec!["roles".into(), "email".into()] } else { Vec::new() },
        request: Uuid::from_u128(u128::from(seq)),
    }
}

/// Exports entries with a checkpoint over each size in `at`; the last one stands first.
fn export(entries: Vec<Entry<'static>>, at: &[u64]) -> Vec<u8> {
    let (mut tree, mut head, mut links, mut notes): (Compact, Hash, Vec<Hash>, Vec<SignedNote>) = Default::default();
    for entry in &entries {
        let leaf = entry.leaf();
        head = chain(&head, &leaf);
        tree.push(&leaf);
        links.push(head);
        if at.contains(&tree.size()) {
            let origin = Checkpoint::origin_of(NAME, LOG);
            let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root(), at: entry.at, chain: head };
            notes.push(checkpoint.sign(&SIGNER.key));
        }
    }
    let header = ExportHeader::new(LOG, Checkpoint::origin_of(NAME, LOG), entries.len() as u64, notes.len() as u64);
    let mut writer = ExportWriter::begin(Vec::new(), &header, notes.last()).unwrap();
    let older = notes.len().saturating_sub(1);
    for (entry, link) in entries.into_iter().zip(links) {
        let place = at[..older].iter().position(|size| *size == entry.seq);
        writer.entry(entry, link).unwrap();
        if let Some(place) = place {
            writer.checkpoint(&notes[place]).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn checked(bytes: &[u8]) -> Report {
    verify(bytes, &SIGNER.keys, 1).unwrap()
}

fn faults(report: &Report) -> Vec<&Fault> {
    report.faults.iter().map(|found| &found.what).collect()
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_whole_export_is_sound_whatever_the_number_of_threads() {
    let bytes = export((1..=40).map(entry).collect(), &[10, 20, 33]);
    for threads in [1, 2, 7] {
        let report = verify(bytes.as_slice(), &SIGNER.keys, threads).unwrap();
        assert!(report.sound, "{report:?}");
        assert_eq!((report.entries, report.checkpoints, report.newest.map(|n| n.size)), (40, 3, Some(33)));
        assert_eq!(report.notes.len(), 1);
        assert_eq!(report.notes[0].what, Note::Unsigned { from: 34, to: 40 });
    }
    assert!(checked(&export(Vec::new(), &[])).sound);
    assert!(checked(&export((1..=3).map(entry).collect(), &[])).sound);
}

/// Flips, deletions, insertions, moves and cuts, at random places: all are found, and what is found has a name.
#[test]
fn ten_thousand_random_changes_are_all_found() {
    let whole = export((1..=24).map(entry).collect(), &[5, 11, 19, 22]);
    let other = lines(&export((1..=24).map(|n| entry(n + 100)).collect(), &[7]));
    let split = lines(&whole);
    let work = |from: u64| {
        for seed in (from..10_000).step_by(2) {
            let mut random = Random(seed);
            let mut changed = split.clone();
            let at = random.below(changed.len());
            match seed % 10 {
                0..=4 => {
                    let line = &mut changed[at];
                    let i = random.below(line.len());
                    line[i] ^= 1 << random.below(8);
                }
                5 => drop(changed.remove(at)),
                6 => {
                    let from = random.below(changed.len());
                    changed.insert(at, split[from].clone());
                }
                7 => changed.insert(at, other[1 + random.below(other.len() - 1)].clone()),
                8 => {
                    let line = changed.remove(at);
                    let to = (at + 1 + random.below(changed.len())) % (changed.len() + 1);
                    changed.insert(to, line);
                }
                _ => {
                    let keep = random.below(whole.len());
                    changed = lines(&whole[..keep]);
                }
            }
            let changed = changed.concat();
            if changed == whole {
                continue;
            }
            let report = checked(&changed);
            assert!(!report.sound && !report.faults.is_empty(), "seed {seed} was not found: {}", String::from_utf8_lossy(&changed));
            assert!(report.faults.iter().all(|f| !f.what.to_string().is_empty()));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(0));
        scope.spawn(|| work(1));
    });
}

#[test]
fn each_kind_of_change_is_named_where_it_is() {
    let whole = export((1..=30).map(entry).collect(), &[10, 20, 30]);
    let split = lines(&whole);
    // Lines: 0 header, 1 newest checkpoint, 2.. entries 1 to 10, 12 checkpoint, 13.. entries 11 to 20, 23 checkpoint, 24.. entries 21 to 30.
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = split.clone();
        change(&mut lines);
        checked(&lines.concat())
    };
    let text = |line: &[u8], from: &str, to: &str| String::from_utf8(line.to_vec()).unwrap().replacen(from, to, 1).into_bytes();

    assert_eq!(faults(&with(&|l| l[6] = text(&l[6], "user.changed", "user.chanGed"))), [&Fault::Altered { seq: 5 }]);
    assert_eq!(faults(&with(&|l| l[4] = text(&l[4], "{\"seq\":3", "{\"seq\":300"))), [&Fault::Altered { seq: 3 }]);
    assert_eq!(faults(&with(&|l| drop(l.remove(6)))), [&Fault::Deleted { from: 5, to: 5 }]);
    assert_eq!(faults(&with(&|l| drop(l.drain(4..8)))), [&Fault::Deleted { from: 3, to: 6 }]);
    assert_eq!(faults(&with(&|l| l.insert(6, l[6].clone()))), [&Fault::Inserted { seq: 5 }]);
    assert_eq!(faults(&with(&|l| l.swap(6, 7))), [&Fault::Reordered { seq: 5 }]);
    assert_eq!(faults(&with(&|l| l.truncate(30))), [&Fault::TailCut { found: 26, signed: 30 }]);
    assert!(matches!(faults(&with(&|l| l[6] = text(&l[6], "\"seq\"", "\"sEq\"")))[..], [Fault::Unreadable { .. }]));
    assert!(matches!(faults(&with(&|l| l[6] = text(&l[6], "{", "{ ")))[..], [Fault::Unreadable { .. }]));
    assert!(matches!(faults(&with(&|l| l[12] = text(&l[12], "\\n10\\n", "\\n11\\n")))[..], [Fault::Forged { .. }]));
    assert_eq!(faults(&with(&|l| l.swap(12, 13))), [&Fault::Misplaced { size: 10 }]);
    assert!(matches!(faults(&with(&|l| drop(l.remove(12))))[..], [Fault::Miscounted { what: "checkpoints", found: 2, stated: 3 }]));
    assert!(matches!(faults(&with(&|l| drop(l.remove(0))))[..], [Fault::Header { .. }]));
}

/// Whoever can compute hashes makes entries, chain and header fit; the signed checkpoints still do not.
#[test]
fn a_rewritten_history_with_a_recomputed_chain_is_found_by_the_checkpoints() {
    let honest = lines(&export((1..=30).map(entry).collect(), &[10, 20, 30]));
    let rewritten = |change: &dyn Fn(&mut Vec<Entry<'static>>)| {
        let mut entries: Vec<_> = (1..=30).map(entry).collect();
        change(&mut entries);
        entries.iter_mut().zip(1..).for_each(|(entry, seq)| entry.seq = seq);
        let mut lines = lines(&export(entries, &[10, 20, 30]));
        // The attacker has no key: the honest checkpoints must stay.
        for place in 0..lines.len() {
            if lines[place].starts_with(b"{\"checkpoint\"") {
                lines[place].clone_from(&honest[place]);
            }
        }
        checked(&lines.concat())
    };
    let report = rewritten(&|entries| entries[14].action = "user.created".into());
    assert_eq!(faults(&report), [&Fault::Rewritten { after: 10, by: 20, checkpoints: 2 }]);
    let report = rewritten(&|entries| {
        entries.remove(3);
        entries.push(entry(31));
    });
    assert_eq!(faults(&report), [&Fault::Rewritten { after: 0, by: 10, checkpoints: 3 }]);
}

#[test]
fn a_checkpoint_of_a_second_history_is_named_as_a_fork() {
    let mut honest = lines(&export((1..=30).map(entry).collect(), &[10, 20, 30]));
    let mut entries: Vec<_> = (1..=30).map(entry).collect();
    entries[2].action = "user.removed".into();
    honest[12] = lines(&export(entries, &[10, 20, 30]))[12].clone();
    let report = checked(&honest.concat());
    assert_eq!(faults(&report), [&Fault::Forked { size: 10 }]);
}

#[test]
fn a_clock_that_stepped_back_and_unused_numbers_are_notes() {
    let mut entries: Vec<_> = (1..=10).map(entry).collect();
    entries[7].at = Stamp(START - 3_600_000_000);
    entries[9].counter += 2;
    let report = checked(&export(entries, &[10]));
    assert!(report.sound);
    let notes: Vec<_> = report.notes.iter().map(|n| &n.what).collect();
    assert!(matches!(notes[..], [Note::ClockBack { seq: 8, seconds: 3600 }, Note::CounterGap { after: 4, missing: 2, .. }]), "{notes:?}");
}

#[test]
fn an_unknown_key_is_told_and_an_old_one_stays_valid() {
    let bytes = export((1..=10).map(entry).collect(), &[10]);
    let next = SigningKey::parse(&SigningKey::generate(NAME).unwrap(), Kind::Log).unwrap();
    let mut keys = Keys::default();
    keys.add(next.public().clone());
    let report = verify(bytes.as_slice(), &keys, 1).unwrap();
    assert!(matches!(faults(&report)[..], [Fault::Forged { why }] if why.contains("not signed by any")), "{report:?}");
    keys.add(SIGNER.key.public().clone());
    assert!(verify(bytes.as_slice(), &keys, 1).unwrap().sound);
}

#[test]
fn no_bytes_make_it_panic() {
    let whole = export((1..=4).map(entry).collect(), &[4]);
    let header = lines(&whole)[0].clone();
    for seed in 0..2_000 {
        let mut random = Random(seed);
        let mut bytes = header.clone();
        bytes.extend((0..random.below(300)).map(|_| b"{}[]\",:0\n\\ux\xff\"seq\""[random.below(18)]));
        let _ = checked(&bytes);
    }
}
