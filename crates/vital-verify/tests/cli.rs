//! The program as a person runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Output},
};
use uuid::Uuid;
use vital_trail::{
    Checkpoint, Compact, Entry, Erasure, ExportHeader, ExportWriter, Gather, Hash, Keys, Kind, LogId, SignedNote, SigningKey, Stamp,
    WitnessRequest, chain, consistency_ranges,
};

const LOG: LogId = LogId(Uuid::from_u128(5));

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vital-verify")).current_dir(folder).args(arguments).output().unwrap()
}

fn out(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stdout.clone()).unwrap())
}

fn leaves(n: u64) -> Vec<(Entry<'static>, Hash)> {
    let entry = |seq| Entry {
        log: LOG,
        seq,
        id: Uuid::from_u128(u128::from(seq)),
        at: Stamp(0),
        node: Uuid::nil(),
        counter: 0,
        actor: None,
        action: "document.read".into(),
        resource: "document".into(),
        resource_id: "x".into(),
        fields: vec![],
        request: Uuid::nil(),
    };
    (1..=n).map(entry).map(|e| (e.clone(), e.leaf())).collect()
}

fn checkpoint(key: &SigningKey, leaves: &[(Entry<'_>, Hash)]) -> SignedNote {
    let (mut tree, mut head) = (Compact::default(), [0; 32]);
    for (_, leaf) in leaves {
        tree.push(leaf);
        head = chain(&head, leaf);
    }
    let origin = Checkpoint::origin_of(key.public().name(), LOG);
    Checkpoint { origin, size: tree.size(), root: tree.root(), at: Stamp(0), chain: head }.sign(key)
}

#[test]
fn the_certificate_of_an_erasure_is_verified_and_a_changed_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::parse(&SigningKey::generate("vital/test").unwrap(), Kind::Log).unwrap();
    std::fs::write(folder.path().join("audit.pub"), format!("{}\n", key.public())).unwrap();
    let rows = [("documents".to_owned(), 2), ("turns".to_owned(), 40)].into();
    let erasure = Erasure { tenant: LOG.0, erased_at: Stamp(0), operator: "Ada".to_owned(), keys: vec![], rows, entry: 91 };
    let text = erasure.sign(&key).unwrap().to_string();
    std::fs::write(folder.path().join("erasure"), &text).unwrap();
    let (code, said) = out(&run(folder.path(), &["erasure", "--key", "audit.pub"]));
    assert!(code == 0 && said.contains("by Ada: 0 keys destroyed, 42 rows of 2 tables deleted; entry 91"), "{said}");
    std::fs::write(folder.path().join("changed"), text.replacen("40", "41", 1)).unwrap();
    let (code, said) = out(&run(folder.path(), &["changed", "--key", "audit.pub", "--json"]));
    assert!(code == 1 && said.contains("\"sound\":false") && said.contains("changed"), "{said}");
}

#[test]
fn an_export_is_verified_and_a_changed_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::parse(&SigningKey::generate("vital/test").unwrap(), Kind::Log).unwrap();
    std::fs::write(folder.path().join("audit.pub"), format!("{}\n", key.public())).unwrap();
    let all = leaves(20);
    let note = checkpoint(&key, &all);
    let header = ExportHeader::new(LOG, Checkpoint::origin_of("vital/test", LOG), 20, 1);
    let mut writer = ExportWriter::begin(Vec::new(), &header, Some(&note)).unwrap();
    let mut head = [0; 32];
    for (entry, leaf) in all {
        head = chain(&head, &leaf);
        writer.entry(entry, head).unwrap();
    }
    let bytes = writer.finish().unwrap();
    std::fs::write(folder.path().join("trail"), &bytes).unwrap();
    let (code, text) = out(&run(folder.path(), &["trail", "--key", "audit.pub"]));
    assert!(code == 0 && text.contains("20 entries, 1 checkpoints, signed up to entry 20") && text.ends_with("; sound\n"), "{text}");

    let changed = String::from_utf8(bytes).unwrap().replacen("document.read", "document.raed", 1);
    std::fs::write(folder.path().join("changed"), changed).unwrap();
    let (code, text) = out(&run(folder.path(), &["changed", "--key", "audit.pub", "--json"]));
    assert!(code == 1 && text.contains(r#"{"line":3,"fault":"altered","seq":1}"#), "{text}");

    for arguments in
        [&["trail"][..], &["trail", "--key", "nowhere"], &["nowhere", "--key", "audit.pub"], &["--what"], &[], &["trail", "--key", "trail"]]
    {
        let output = run(folder.path(), arguments);
        assert!(output.status.code() == Some(2) && output.stderr.starts_with(b"error: "), "{arguments:?}");
    }
    assert_eq!(out(&run(folder.path(), &["--help"])).0, 0);
}

#[test]
fn a_witness_remembers_signs_and_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::parse(&SigningKey::generate("vital/test").unwrap(), Kind::Log).unwrap();
    std::fs::write(folder.path().join("audit.pub"), format!("{}\n", key.public())).unwrap();
    let (code, public) = out(&run(folder.path(), &["make-key", "witness.example", "witness.key"]));
    assert!(code == 0 && public.starts_with("witness.example+"));
    let ask = |request: &WitnessRequest| {
        std::fs::write(folder.path().join("request"), request.to_string()).unwrap();
        out(&run(folder.path(), &["witness", "--state", "seen.json", "--key", "audit.pub", "request", "--cosign", "witness.key"]))
    };
    let all = leaves(30);
    let (code, line) = ask(&WitnessRequest { old: 0, proof: vec![], note: checkpoint(&key, &all[..20]) });
    assert!(code == 0 && line.starts_with("— witness.example "), "{line}");
    let note = SignedNote::parse(&format!("{}{line}", checkpoint(&key, &all[..20]))).unwrap();
    let keys = Keys::parse(&format!("{}\n{public}", key.public())).unwrap();
    assert_eq!(Checkpoint::open(&note, &keys).unwrap().witnesses, 1);

    let mut gather = Gather::new(consistency_ranges(20, 30).unwrap());
    all.iter().for_each(|(_, leaf)| gather.push(leaf));
    let proof = gather.finish().unwrap();
    let mut other = leaves(30);
    other[3].1 = [9; 32];
    let (code, text) = ask(&WitnessRequest { old: 20, proof: proof.clone(), note: checkpoint(&key, &other) });
    assert!(code == 1 && text.starts_with("REFUSED"), "{text}");
    assert_eq!(ask(&WitnessRequest { old: 20, proof, note: checkpoint(&key, &all) }).0, 0);
    assert_eq!(ask(&WitnessRequest { old: 0, proof: vec![], note: checkpoint(&key, &all[..20]) }).0, 1);
}
