//! A scratch repository in which secrets of every class were planted, in the tree and at odd places of the history.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{Rng as _, distr::Alphanumeric};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use vital_credentials::token::{ApiKey, KeyKind};
use vital_secrets::{
    Error, Report, check,
    check::{Finding, MESSAGE, Place},
    rule::RULES,
};

/// Random letters with the mix that a drawn secret has. Nothing here is written down: this file is scanned as well.
fn letters(count: usize) -> String {
    loop {
        let drawn: String = rand::rng().sample_iter(Alphanumeric).take(count).map(char::from).collect();
        let runs_of_words = drawn.split(|c: char| !c.is_ascii_lowercase()).any(|run| run.len() >= 6);
        if !runs_of_words && drawn.bytes().any(|b| b.is_ascii_digit()) {
            return drawn;
        }
    }
}

/// Random characters of an alphabet.
fn of(alphabet: &str, count: usize) -> String {
    (0..count).map(|_| char::from(alphabet.as_bytes()[rand::rng().random_range(0..alphabet.len())])).collect()
}

/// Capitals and digits as in base 32, digits of hexadecimal.
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";

/// A line with the secret, and the secret.
struct Sample {
    rule: &'static str,
    line: String,
    secret: String,
}

fn sample(rule: &'static str, secret: impl Into<String>, around: impl FnOnce(&str) -> String) -> Sample {
    let secret = secret.into();
    Sample { rule, line: around(&secret), secret }
}

/// At least one sample of every rule, in the forms that people paste.
fn samples() -> Vec<Sample> {
    let bare = |rule, secret: String| sample(rule, secret, |s| format!("see {s} here"));
    let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"somebody","exp":1}"#);
    let mut all = vec![
        bare("vital-key", ApiKey::generate(KeyKind::Personal).reveal().to_owned()),
        sample("vital-key", ApiKey::generate(KeyKind::Service).reveal(), |s| format!("Authorization: Bearer {s}")),
        sample("private-key", letters(64), |s| format!("-----BEGIN {} KEY-----\n{s}\n-----END", "PRIVATE")),
        sample("private-key", letters(64), |s| {
            format!("-----BEGIN RSA {} KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\n{s}", "PRIVATE")
        }),
        sample("private-key", letters(64), |s| format!(r#""private_key": "-----BEGIN {} KEY-----\n{s}\n""#, "PRIVATE")),
        sample("private-key", format!("AGE-SECRET-{}-1{}", "KEY", of(CAPITALS, 58)), str::to_owned),
        sample("private-jwk", letters(43), |s| format!(r#"{{"kty":"OKP","d":"{s}"}}"#)),
        sample("aws-key-id", format!("AKIA{}", of(CAPITALS, 16)), |s| format!("aws_access_key_id = {s}")),
        sample("aws-secret", letters(40), |s| format!("aws_secret_access_key = {s}")),
        bare("google-key", format!("AIza{}", letters(35))),
        bare("google-key", format!("GOCSPX-{}", letters(28))),
        sample("azure-key", format!("{}==", letters(86)), |s| format!("AccountName=a;AccountKey={s};EndpointSuffix=b")),
        bare("azure-secret", format!("{}8Q~{}", letters(3), letters(34))),
        sample("azure-signature", format!("{}%3D", letters(43)), |s| format!("https://a.example/b?sv=2024&sig={s}")),
        bare("anthropic-key", format!("sk-ant-api03-{}", letters(93))),
        bare("openai-key", format!("sk-{}", letters(48))),
        bare("openai-key", format!("sk-proj-{}", letters(120))),
        bare("github-token", format!("ghp_{}", letters(36))),
        bare("github-token", format!("github_pat_{}_{}", letters(22), letters(59))),
        bare("gitlab-token", format!("glpat-{}", letters(20))),
        bare("slack-token", format!("xoxb-{}-{}", of("123456789", 12), letters(24))),
        bare("slack-token", format!("https://hooks.slack.com/services/T{}/B{}/{}", of(CAPITALS, 10), of(CAPITALS, 10), letters(24))),
        bare("stripe-key", format!("sk_live_{}", letters(24))),
        bare("stripe-key", format!("whsec_{}", letters(32))),
        bare("registry-token", format!("npm_{}", letters(36))),
        bare("registry-token", format!("hf_{}", letters(34))),
        bare("mail-key", format!("SG.{}.{}", letters(22), letters(43))),
        bare("jwt", format!("eyJhbGciOiJIUzI1NiJ9.{claims}.{}", letters(43))),
        sample("authorization", letters(40), |s| format!("-H 'Authorization: Bearer {s}'")),
        sample("assigned", letters(32), |s| format!("const CLIENT_SECRET: &str = \"{s}\";")),
        sample("assigned", of(HEX, 64), |s| format!("  \"sessionToken\": \"{s}\",")),
        sample("assigned", letters(24), |s| format!("SMTP_PASSWORD={s}")),
        sample("assigned", letters(24), |s| format!("  api_key: {s}")),
    ];
    for scheme in ["postgres", "postgresql", "rediss", "mongodb+srv", "amqp"] {
        all.push(sample("database-url", letters(12), |s| format!("{scheme}://app:{s}@db.example/app")));
    }
    all.push(sample("url-password", letters(12), |s| format!("git clone https://bot:{s}@git.example/a.git")));
    all
}

/// A repository of its own, untouched by the settings of whoever runs this.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        let scratch = Self(TempDir::new().unwrap());
        scratch.git(&["init", "--quiet", "--initial-branch=main"]);
        scratch.write("README.md", "A repository.\n");
        scratch.commit("Begin");
        scratch
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(self.path(), arguments)
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn list(&self) -> PathBuf {
        self.path().join("allowed.toml")
    }

    fn check(&self) -> Report {
        check(self.path(), &self.list()).unwrap()
    }

    /// The one finding there is.
    fn finding(&self) -> Finding {
        let mut report = self.check();
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
        assert!(!report.is_clean());
        report.findings.remove(0)
    }
}

/// Writes a file with each sample on its second line: `planted/0.txt` and so on.
fn plant(scratch: &Scratch) -> Vec<Sample> {
    let samples = samples();
    for (number, sample) in samples.iter().enumerate() {
        scratch.write(&format!("planted/{number}.txt"), &format!("first\n{}\n", sample.line));
    }
    samples
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let out = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@vital.example",
            "-c",
            "commit.gpgSign=false",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn key() -> String {
    ApiKey::generate(KeyKind::Personal).reveal().to_owned()
}

#[test]
fn a_secret_of_every_class_is_found_in_the_tree() {
    let scratch = Scratch::new();
    let samples = plant(&scratch);
    let covered: BTreeSet<_> = samples.iter().map(|s| s.rule).collect();
    assert_eq!(covered, RULES.iter().map(|r| r.id).collect(), "every rule has a sample");
    let report = scratch.check();
    for (number, sample) in samples.iter().enumerate() {
        let path = format!("planted/{number}.txt");
        let here: Vec<_> = report.findings.iter().filter(|f| f.path == path).collect();
        assert_eq!(here.iter().map(|f| f.hit.rule.id).collect::<Vec<_>>(), [sample.rule], "{path}");
        assert_eq!(here[0].place, Place::Tree);
        assert!(here[0].hit.line >= 2);
        assert!(!here[0].to_string().contains(&sample.secret), "the report hides it: {}", here[0]);
    }
}

#[test]
fn a_secret_of_every_class_is_found_in_a_commit_that_was_undone_later() {
    let scratch = Scratch::new();
    let samples = plant(&scratch);
    let commit = scratch.commit("Plant");
    fs::remove_dir_all(scratch.path().join("planted")).unwrap();
    scratch.commit("Undo");
    let report = scratch.check();
    assert_eq!(report.findings.len(), samples.len());
    assert!(report.findings.iter().all(|f| f.place == Place::Commit(commit.clone())), "the commit that brought it is named");
}

#[test]
fn a_secret_of_every_class_that_only_a_merge_brought_is_found() {
    let scratch = Scratch::new();
    scratch.git(&["switch", "--quiet", "--create", "side"]);
    scratch.write("side.txt", "side\n");
    scratch.commit("Side");
    scratch.git(&["switch", "--quiet", "main"]);
    scratch.write("main.txt", "main\n");
    scratch.commit("Main");
    scratch.git(&["merge", "--quiet", "--no-ff", "--no-commit", "side"]);
    let samples = plant(&scratch);
    let merge = scratch.commit("Merge");
    fs::remove_dir_all(scratch.path().join("planted")).unwrap();
    scratch.commit("Clean");
    let report = scratch.check();
    assert_eq!(report.findings.len(), samples.len());
    assert!(report.findings.iter().all(|f| f.place == Place::Commit(merge.clone())), "the merge is named");
}

#[test]
fn branches_stashes_messages_tags_and_the_index_are_read() {
    let branch = Scratch::new();
    branch.git(&["switch", "--quiet", "--create", "side"]);
    branch.write("side.txt", &key());
    let commit = branch.commit("Side");
    branch.git(&["switch", "--quiet", "main"]);
    assert_eq!(branch.finding().place, Place::Commit(commit));

    let stash = Scratch::new();
    stash.write("README.md", &key());
    stash.git(&["stash", "--quiet"]);
    assert_eq!(stash.finding().path, "README.md");

    let message = Scratch::new();
    let commit = message.commit(&format!("Use {}", key()));
    let finding = message.finding();
    assert_eq!((finding.path.as_str(), finding.place), (MESSAGE, Place::Commit(commit)));

    let tag = Scratch::new();
    tag.git(&["tag", "-a", "v1", "-m", &format!("Use {}", key())]);
    assert_eq!(tag.finding().path, MESSAGE);

    let staged = Scratch::new();
    staged.write("new.txt", &key());
    staged.git(&["add", "new.txt"]);
    staged.write("new.txt", "nothing");
    assert_eq!(staged.finding().place, Place::Staged);

    let ignored = Scratch::new();
    ignored.write(".gitignore", "/data\n");
    ignored.write("data/key", &key());
    assert!(ignored.check().is_clean(), "what git ignores is not in the repository");
}

#[test]
fn what_only_looks_like_a_secret_is_passed_over() {
    let damaged = {
        let mut key = key();
        let last = if key.ends_with('0') { "1" } else { "0" };
        key.replace_range(key.len() - 1.., last);
        key
    };
    let scratch = Scratch::new();
    scratch.write(
        "notes.md",
        &[
            damaged,
            format!("AKIAIOSFODNN7{}", "EXAMPLE"),
            format!("-----BEGIN {} KEY-----", "PRIVATE"),
            "postgres://user:password@host/name".to_owned(),
            "postgres://user:${PGPASSWORD}@host/name".to_owned(),
            "https://127.0.0.1:8080/a@b".to_owned(),
            "token = \"a_function_that_has_a_long_name_2\"".to_owned(),
            "api_key_file = \"/run/secrets/anthropic-key\"".to_owned(),
            "let password = read_password_of_account(account2);".to_owned(),
            "eyJub3RoaW5n.eyJub3RoaW5n.".to_owned(),
        ]
        .join("\n"),
    );
    scratch.commit("Notes");
    let report = scratch.check();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.files, report.blobs, report.messages), (2, 2, 2), "and it was all read");
}

#[test]
fn the_list_allows_what_it_names_and_nothing_else_and_must_meet_something() {
    let scratch = Scratch::new();
    scratch.write("a.txt", &key());
    scratch.commit("Plant");
    let finding = scratch.finding();
    let entry = |path: &str| {
        format!(
            "[[finding]]\npath = \"{path}\"\nfingerprint = \"{}\"\nreason = \"made up by this test\"\n",
            finding.hit.fingerprint("a.txt")
        )
    };
    scratch.write("allowed.toml", &entry("a.txt"));
    let report = scratch.check();
    assert!(report.is_clean());
    assert_eq!(report.allowed, 1);

    scratch.write("a.txt", &key());
    assert_eq!(scratch.finding().path, "a.txt", "another secret in the same file");

    scratch.write("a.txt", "nothing\n");
    scratch.write("allowed.toml", &(entry("a.txt") + &entry("b.txt")));
    let report = scratch.check();
    assert!(report.findings.is_empty() && !report.is_clean());
    assert_eq!(report.stale.iter().map(|s| s.path.as_str()).collect::<Vec<_>>(), ["b.txt"]);
}

#[test]
fn a_shallow_clone_is_read_as_far_as_it_goes_and_says_so() {
    let scratch = Scratch::new();
    scratch.write("a.txt", &key());
    scratch.commit("Plant");
    fs::remove_file(scratch.path().join("a.txt")).unwrap();
    scratch.commit("Undo");
    let clone = TempDir::new().unwrap();
    git(clone.path(), &["clone", "--quiet", "--depth=1", &format!("file://{}", scratch.path().display()), "."]);
    let report = check(clone.path(), &scratch.list()).unwrap();
    assert!(report.shallow && report.is_clean());
    assert_eq!((report.blobs, report.messages), (1, 1));
    assert!(!scratch.check().is_clean(), "the whole history is not clean");
}

#[test]
fn what_cannot_be_read_whole_is_an_error() {
    let bare_folder = TempDir::new().unwrap();
    assert!(matches!(check(bare_folder.path(), Path::new("none")), Err(Error::Git { .. })));

    let scratch = Scratch::new();
    scratch.write("inner/a.txt", "a\n");
    assert!(matches!(check(&scratch.path().join("inner"), Path::new("none")), Err(Error::Git { .. })), "a part of a repository is none");

    let blob = scratch.git(&["rev-parse", "HEAD:README.md"]);
    fs::remove_file(scratch.path().join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    assert!(check(scratch.path(), Path::new("none")).is_err(), "an object that is missing");
}

#[test]
fn the_program_says_where_and_never_what() {
    let run = |folder: &Path| {
        let out = Command::new(env!("CARGO_BIN_EXE_vital-secrets")).arg(folder).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap())
    };
    let scratch = Scratch::new();
    let (code, said) = run(scratch.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 blobs and 1 messages of the whole history"), "{said}");

    let key = key();
    scratch.write("deep/a.txt", &format!("\n\n{key}\n"));
    let commit = scratch.commit("Plant");
    scratch.write("deep/a.txt", "nothing\n");
    let (code, said) = run(scratch.path());
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("deep/a.txt:3: in commit {}: API key of this platform [vital-key]", &commit[..12])), "{said}");
    assert!(!said.contains(&key[9..]), "{said}");

    let (code, said) = run(Path::new("/nonexistent"));
    assert_eq!(code, Some(2));
    assert!(said.starts_with("error: git cannot read the repository"), "{said}");
}
