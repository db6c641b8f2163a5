//! Proofs and witnesses over a log of some hundred entries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use uuid::Uuid;
use vital_trail::{
    Checkpoint, Compact, ConsistencyProof, Entry, Gather, Hash, InclusionProof, Keys, Kind, LogId, Proof, Signature, SignedNote,
    SigningKey, Stamp, WitnessRequest, WitnessState, chain, consistency_ranges, inclusion_ranges,
};

const NAME: &str = "vital/test";
const LOG: LogId = LogId(Uuid::from_u128(5));

fn key(name: &str, kind: Kind) -> SigningKey {
    SigningKey::parse(&SigningKey::generate(name).unwrap(), kind).unwrap()
}

fn entry(seq: u64, action: &'static str) -> Entry<'static> {
    Entry {
        log: LOG,
        seq,
        id: Uuid::from_u128(u128::from(seq)),
        at: Stamp(0),
        node: Uuid::nil(),
        counter: seq,
        actor: None,
        action: action.into(),
        resource: "document".into(),
        resource_id: "x".into(),
        fields: vec![],
        request: Uuid::nil(),
    }
}

struct Log {
    leaves: Vec<Hash>,
    heads: Vec<Hash>,
    key: SigningKey,
    keys: Keys,
}

impl Log {
    fn new(entries: u64, action: &'static str, key: SigningKey) -> Self {
        let leaves: Vec<Hash> = (1..=entries).map(|seq| entry(seq, action).leaf()).collect();
        let heads = leaves
            .iter()
            .scan([0; 32], |head, leaf| {
                *head = chain(head, leaf);
                Some(*head)
            })
            .collect();
        let mut keys = Keys::default();
        keys.add(key.public().clone());
        Self { leaves, heads, key, keys }
    }

    fn checkpoint(&self, size: usize) -> SignedNote {
        let mut tree = Compact::default();
        self.leaves[..size].iter().for_each(|leaf| tree.push(leaf));
        let origin = Checkpoint::origin_of(NAME, LOG);
        Checkpoint { origin, size: size as u64, root: tree.root(), at: Stamp(0), chain: self.heads[size - 1] }.sign(&self.key)
    }

    fn gather(&self, ranges: Vec<std::ops::Range<u64>>) -> Vec<Hash> {
        let mut gather = Gather::new(ranges);
        self.leaves.iter().for_each(|leaf| gather.push(leaf));
        gather.finish().unwrap()
    }
}

#[test]
fn proofs_hold_from_json_and_no_changed_one_does() {
    let log = Log::new(300, "document.read", key(NAME, Kind::Log));
    let hashes = log.gather(inclusion_ranges(41, 257).unwrap());
    let proof = InclusionProof::new(&entry(42, "document.read"), log.heads[41], hashes, &log.checkpoint(257)).unwrap();
    let text = serde_json::to_string(&proof).unwrap();
    let Some(Ok(Proof::Inclusion(read))) = Proof::parse(text.as_bytes()) else { panic!("{text}") };
    let (seq, checkpoint) = read.verify(&log.keys).unwrap();
    assert_eq!((seq, checkpoint.size), (42, 257));
    for (from, to) in [("document.read", "document.raed"), ("\"seq\":42", "\"seq\":43"), (&hex::encode(log.leaves[40])[..8], "00000000")] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(!matches!(Proof::parse(changed.as_bytes()), Some(Ok(Proof::Inclusion(p))) if p.verify(&log.keys).is_ok()), "{from}");
    }

    let hashes = log.gather(consistency_ranges(100, 257).unwrap());
    let proof = ConsistencyProof::new(LOG, &log.checkpoint(100), &log.checkpoint(257), hashes);
    let text = serde_json::to_string(&proof).unwrap();
    let Some(Ok(Proof::Consistency(read))) = Proof::parse(text.as_bytes()) else { panic!("{text}") };
    assert_eq!(read.verify(&log.keys).unwrap().0.size, 100);
    assert!(Proof::parse(b"{\"format\":\"other\"}").is_none() && Proof::parse(b"\xff").is_none());
}

#[test]
fn a_witness_signs_what_continues_and_refuses_a_second_history() {
    let shared = SigningKey::generate(NAME).unwrap();
    let of = |action| Log::new(300, action, SigningKey::parse(&shared, Kind::Log).unwrap());
    let (log, rewritten) = (of("document.read"), of("document.deleted"));
    let witness = key("witness.example", Kind::Witness);
    let mut state = WitnessState::default();
    let request = |log: &Log, old: u64, new: u64| WitnessRequest {
        old,
        proof: consistency_ranges(old, new).map(|ranges| log.gather(ranges)).unwrap_or_default(),
        note: log.checkpoint(usize::try_from(new).unwrap()),
    };
    let first = request(&log, 0, 100);
    assert_eq!(WitnessRequest::parse(&first.to_string()).unwrap(), first);
    let seen = state.accept(&first, &log.keys).unwrap();
    let next = WitnessRequest::parse(&request(&log, 100, 257).to_string()).unwrap();
    state.accept(&next, &log.keys).unwrap();
    assert_eq!(state.size(&seen.origin), 257);
    // Signed with the right key, and still refused.
    assert!(state.accept(&request(&rewritten, 257, 300), &log.keys).is_err());
    assert!(state.accept(&request(&rewritten, 0, 257), &log.keys).is_err());
    assert!(state.accept(&request(&log, 100, 300), &log.keys).is_err());
    assert!(state.accept(&request(&log, 0, 100), &log.keys).is_err());
    assert_eq!(state.size(&seen.origin), 257);

    let mut note = next.note;
    let line = note.cosign(&witness, Stamp(7_000_000)).line();
    note.signatures.extend(Signature::parse_lines(&line).unwrap());
    let mut keys = log.keys.clone();
    keys.add(witness.public().clone());
    assert_eq!(Checkpoint::open(&SignedNote::parse(&note.to_string()).unwrap(), &keys).unwrap().witnesses, 1);
}
