//! The command line as people and scripts meet it: messages, hints and exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

fn vital(home: &Path, arguments: &[&str]) -> Output {
    vital_in(home, arguments, &[])
}

/// The same with further variables of the environment.
fn vital_in(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vital"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home)
        .output()
        .unwrap()
}

fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unknown_configuration_key_is_named_with_its_file_and_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("vital.toml");
    fs::write(&file, "[server]\nlisten = \"127.0.0.1:8080\"\nlissten = \"x\"\n").unwrap();
    let output = vital(home.path(), &["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = talk(&output);
    assert!(said.contains("lissten") && said.contains("vital.toml") && said.contains('3'), "{said}");
}

#[test]
fn the_template_is_a_configuration_that_passes_its_own_check() {
    let home = tempfile::tempdir().unwrap();
    let template = vital(home.path(), &["config", "template"]);
    assert!(template.status.success());
    let file = home.path().join("vital.toml");
    fs::write(&file, &template.stdout).unwrap();
    let checked = vital(home.path(), &["config", "check", "--config", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{}", talk(&checked));
}

#[test]
fn a_taken_port_is_told_before_anything_is_started() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let data = home.path().join("data");
    let output = vital(home.path(), &["serve", "--data", data.to_str().unwrap(), "--listen", &address.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let said = talk(&output);
    assert!(said.contains(&address.port().to_string()) && said.contains("hint:"), "{said}");
    assert!(!data.join("postgres").exists(), "no database was made");
}

#[test]
fn plain_http_is_not_served_to_other_machines_unasked() {
    let home = tempfile::tempdir().unwrap();
    let output = vital(home.path(), &["serve", "--data", "data", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(talk(&output).contains("allow_plain_http"), "{}", talk(&output));
}

#[test]
fn a_database_elsewhere_is_refused_however_it_is_named() {
    let home = tempfile::tempdir().unwrap();
    for environment in [
        &[("DATABASE_URL", "postgres://u:s3cret@db.internal/d?sslmode=require")][..],
        &[("DATABASE_URL", "postgres://u:s3cret@localhost/d?host=db.internal&sslmode=disable")],
        &[("DATABASE_URL", "postgres:///d?sslmode=disable"), ("PGHOST", "db.internal")],
        &[("DATABASE_URL", "postgres:///d"), ("PGHOST", "db.internal"), ("PGSSLMODE", "disable")],
        &[("DATABASE_URL", "postgres:///d"), ("PGHOST", "127.0.0.1"), ("PGHOSTADDR", "10.0.0.5"), ("PGSSLMODE", "require")],
    ] {
        let output = vital_in(home.path(), &["serve", "--data", "data", "--listen", "127.0.0.1:0"], environment);
        assert_eq!(output.status.code(), Some(1), "{environment:?}");
        let said = talk(&output);
        assert!(said.contains("another machine") && said.contains("verify-full") && said.contains("allow_plain_database"), "{said}");
        assert!(!said.contains("s3cret") && !home.path().join("data").exists(), "{said}");
    }
    for environment in [
        &[("DATABASE_URL", "postgres:///d?sslmode=disable"), ("PGHOST", "127.0.0.1")][..],
        &[("DATABASE_URL", "postgres:///d?sslmode=verify-full"), ("PGHOST", "db.internal"), ("PGSSLMODE", "disable")],
        &[("PGHOST", "db.internal"), ("PGSSLMODE", "disable")],
    ] {
        let output = vital_in(home.path(), &["config", "check"], environment);
        assert!(output.status.success(), "{environment:?}: {}", talk(&output));
    }
}

/// Each of these would work, and would put something at risk unasked.
#[test]
fn a_server_does_not_start_with_an_unsafe_setting() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("vital.toml");
    for (settings, says) in [
        ("[server]\nlisten = '0.0.0.0:0'", "allow_plain_http"),
        ("[server]\ntrusted_proxies = ['0.0.0.0/0']", "everybody"),
        ("[database]\nurl = 'postgres://u@10.0.0.5/d?sslmode=verify-ca'", "allow_plain_database"),
        ("[limits]\nredis_url = 'redis://cache.internal'", "allow_plain_redis"),
        ("[limits]\nredis_url = 'rediss://cache.internal/#insecure'", "allow_plain_redis"),
        ("[provider]\nformat = 'openai'\nmodel = 'm'\nbase_url = 'http://models.example'", "http"),
        ("[mail]\nhost = 'smtp.example.org'\nsecurity = 'none'", "security"),
        ("[server]\npublic_url = 'https://vital.example'\n[identity]\nallow_loopback_issuers = true", "allow_loopback_issuers"),
    ] {
        fs::write(&file, settings).unwrap();
        let output = vital(home.path(), &["serve", "--data", "data", "--config", file.to_str().unwrap()]);
        let said = talk(&output);
        assert!(output.status.code() == Some(1) && said.contains(says), "{settings}: {said}");
        assert!(!home.path().join("data/postgres").exists(), "{settings}: a database was made");
    }
}

#[test]
fn asking_without_a_session_says_how_to_sign_in_and_exits_with_4() {
    let home = tempfile::tempdir().unwrap();
    let output = vital(home.path(), &["ask", "How long does a review take?"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(talk(&output).contains("vital login"), "{}", talk(&output));
    assert!(output.stdout.is_empty(), "data goes to standard output, talk does not");
}

#[test]
fn wrong_usage_exits_with_2() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(vital(home.path(), &["ask"]).status.code(), Some(2));
    assert_eq!(vital(home.path(), &["dance"]).status.code(), Some(2));
}

#[test]
fn the_api_description_is_openapi_3_1() {
    let home = tempfile::tempdir().unwrap();
    let output = vital(home.path(), &["openapi"]);
    let api: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(api["paths"].as_object().unwrap().len() >= 18);
}

#[test]
fn every_verb_has_help() {
    let home = tempfile::tempdir().unwrap();
    let verbs = [
        "serve",
        "ask",
        "ingest",
        "experts",
        "route",
        "login",
        "logout",
        "config",
        "tenant",
        "user",
        "break-glass",
        "migrate",
        "setup-link",
        "eval",
        "openapi",
    ];
    for verb in verbs {
        let output = vital(home.path(), &[verb, "--help"]);
        assert!(output.status.success(), "{verb}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage: vital"), "{verb}");
    }
}
