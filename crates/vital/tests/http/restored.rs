//! The program with a private database of its own: what a physical backup of it says, and what comes back when an old one is restored.

mod installation;

use super::{ended, sealed::holds, uploaded};
use installation::{Installation, Server, copied};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};
use vital_kernel::TenantId;
use vital_keys::{KeyError, Purpose, RootSource, TenantKeys, WrappedKey};
use vital_store::embedded::{Cluster, ClusterOptions, DataFolder, Install};
use vital_testkit::app::{Client, PASSWORD, until};
use vital_trail::{Erasure, Keys};

/// What a backup of the data folder without the database holds. The ledger of erasures is kept apart.
const KEY_FILES: [&str; 5] = ["secret.key", "role-secrets.json", "audit.key", "audit.pub", "audit"];

/// Somebody of an organisation, with a document and an answer.
struct Person {
    tenant: TenantId,
    token: String,
    document: String,
    conversation: String,
}

/// Makes an organisation with one person, who uploads a document on a word and asks for it.
async fn person(here: &Installation, data: &Path, server: &Server, name: &str, word: &str) -> Person {
    let slug = here.vital(data, &["tenant", "create", &format!("{name} Pharma")]);
    until("the experts and the library", || async { (here.sql(data, "select count(*) from directory.jobs") == "0").then_some(()) }).await;
    let tenant = here.sql(data, &format!("select id from directory.tenants where slug = '{slug}'")).parse().unwrap();
    let email = format!("ada@{name}.example");
    let new = ["user", "create", "--tenant", &slug, "--email", &email, "--name", "Ada", "--role", "member", "--password-stdin"];
    here.vital_told(data, &new, &format!("{PASSWORD}\n"));
    let signed_in = server.client(None).post("/api/v1/session", &json!({ "email": email, "password": PASSWORD })).await.expect(201).json();
    let token = signed_in["token"].as_str().unwrap().to_owned();
    let ada = server.client(Some(&token));
    let text = format!("# Stability of {word}\n\nThe retest period of {word} is 41 months at 25 °C.\n");
    let document = uploaded(&ada, &format!("{word}.md"), text).await;
    assert_eq!(document["state"], "ready", "{document}");
    let conversation = ada.open().await;
    let turn = ada.ask(&conversation, &format!("What is the retest period of {word}?")).await;
    assert!(ended(&ada, &turn).await["answer"].to_string().contains("41 months"), "the answer stands on the document");
    Person { tenant, token, document: document["id"].as_str().unwrap().to_owned(), conversation }
}

/// Asserts that somebody reads and finds what they have.
async fn reads(ada: &Client, person: &Person, word: &str) {
    let conversation = ada.get(&format!("/api/v1/conversations/{}", person.conversation)).await.expect(200).text();
    assert!(conversation.contains(word), "{conversation}");
    assert!(ada.get(&format!("/api/v1/documents/{}/text", person.document)).await.expect(200).text().contains(word));
    let found = ada.get(&format!("/api/v1/search?q={word}")).await.expect(200).json();
    assert!(found["hits"].as_array().is_some_and(|hits| !hits.is_empty()), "{found}");
}

/// The tables, but for the audit trail, that hold something of a tenant.
fn tables_with(here: &Installation, data: &Path, tenant: TenantId) -> String {
    let looks = here.sql(
        data,
        &format!(
            "select string_agg(format('select %L where exists (select from %s where %I = %L)', c.oid::regclass, c.oid::regclass, a.attname, '{tenant}'), ' union all ')
             from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname in ('tenant_id', 'tenant') and not a.attisdropped
             join pg_namespace n on n.oid = c.relnamespace
             where c.relkind = 'r' and n.nspname in ('public', 'directory') and c.relname not like 'audit\\_%'"
        ),
    );
    here.sql(data, &looks)
}

/// The keys of an organisation as the database has them, wrapped.
fn wrapped_keys(here: &Installation, data: &Path, tenant: TenantId) -> Vec<WrappedKey> {
    let rows = here.sql(
        data,
        &format!("select coalesce(json_agg(json_build_array(purpose, version, root_key, encode(wrapped, 'hex'))), '[]') from directory.tenant_keys where tenant = '{tenant}'"),
    );
    let rows: Vec<(String, u32, String, String)> = serde_json::from_str(&rows).unwrap();
    let read = |(purpose, version, root_key, wrapped): (String, u32, String, String)| WrappedKey {
        purpose: Purpose::parse(&purpose).unwrap(),
        version,
        root_key,
        wrapped: hex::decode(wrapped).unwrap(),
        seals: true,
    };
    rows.into_iter().map(read).collect()
}

fn opens(tenant: TenantId, wrapped: &[WrappedKey], key_file: &Path) -> Result<TenantKeys, KeyError> {
    TenantKeys::unwrap(tenant, wrapped, &RootSource::File(key_file.to_owned()).load()?.unwrap())
}

/// Asserts that a certificate tells what was destroyed and is signed.
fn certified(here: &Installation, data: &Path, person: &Person, before: &str, told: &Value) {
    let text = fs::read(told["certificate"].as_str().unwrap()).unwrap();
    let keys = Keys::parse(&fs::read_to_string(data.join("audit.pub")).unwrap()).unwrap();
    let erasure = Erasure::open(&text, &keys).unwrap().unwrap();
    assert_eq!((erasure.tenant, erasure.operator.as_str()), (person.tenant.0, "Ada Operator"));
    let purposes: Vec<&str> = erasure.keys.iter().map(|key| key.purpose.as_str()).collect();
    assert_eq!(purposes, ["content", "index"]);
    assert!(erasure.keys.iter().all(|key| key.version == 1 && key.root_key == told["keys"][0]["root_key"]), "{erasure:?}");
    let tables = before.lines().filter_map(|table| table.strip_prefix("public.").or(Some(table))).filter(|table| !table.contains('.'));
    assert_eq!(erasure.rows.keys().collect::<Vec<_>>(), tables.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    assert_eq!((erasure.rows["documents"], erasure.rows["turns"]), (told["rows"]["documents"].as_u64().unwrap(), 1));
    let action = "select action from public.audit_entries where tenant_id";
    let entry = here.sql(data, &format!("{action} = '{}' and seq = {}", person.tenant, erasure.entry));
    assert_eq!(entry, "tenant.erased");
}

#[tokio::test]
async fn nothing_that_people_wrote_stands_in_a_base_backup_of_the_running_database() {
    const CANARY: &str = "zyxomethadrine9182";
    const CONTROL: &str = "control5530zyx";
    let here = Installation::new();
    let data = here.at("data");
    let server = here.serve(&data).unwrap();
    // The name of an organisation is not sealed, so that the search is known to find what is there.
    person(&here, &data, &server, CONTROL, CANARY).await;

    for (name, how) in [("plain", ["--format=plain", "--wal-method=stream"]), ("tar", ["--format=tar", "--wal-method=fetch"])] {
        let backup = here.at(name);
        here.base_backup(&data, &backup, &how);
        assert!(holds(&backup, CONTROL).is_some(), "the search finds what is not sealed in the {name} backup");
        assert_eq!(holds(&backup, CANARY), None, "{name}");
    }
    assert!(fs::read_dir(here.at("plain/pg_wal")).unwrap().count() > 1, "the backups hold the log too");
}

#[tokio::test]
async fn an_erased_organisation_stays_erased_when_a_base_backup_from_before_is_restored() {
    let here = Installation::new();
    let data = here.at("data");
    let server = here.serve(&data).unwrap();
    let a = person(&here, &data, &server, "aldebaran", "aldebaran").await;
    let b = person(&here, &data, &server, "betelgeuse", "betelgeuse").await;
    let (backup, old_index) = (here.at("backup"), here.at("old-index"));
    here.base_backup(&data, &backup, &["--format=plain", "--wal-method=stream"]);
    copied(&data.join("index"), &old_index);

    let before = tables_with(&here, &data, a.tenant);
    let erase = ["tenant", "erase", "aldebaran-pharma", "--confirm", "aldebaran-pharma", "--operator", "Ada Operator", "--json"];
    certified(&here, &data, &a, &before, &serde_json::from_str(&here.vital(&data, &erase)).unwrap());
    assert_eq!(tables_with(&here, &data, a.tenant), "");
    server.client(Some(&a.token)).get("/api/v1/me").await.expect(401);
    reads(&server.client(Some(&b.token)), &b, "betelgeuse").await;
    drop(server);

    // The old database and the old index, with the keys of now and the ledger, to which a crash added half a line.
    let restored = here.restored("restored", &backup, &data, &KEY_FILES);
    copied(&old_index, &restored.join("index"));
    copied(&data.join("erasures.jsonl"), &restored.join("erasures.jsonl"));
    OpenOptions::new().append(true).open(restored.join("erasures.jsonl")).unwrap().write_all(b"\n{\"tenant_sha256\":\"7d").unwrap();
    let index = restored.join("index").join(a.tenant.to_string());
    assert!(index.exists(), "the old index has it");
    let wrapped = in_the_backup(&here, &restored, a.tenant).await;

    let server = here.serve(&restored).unwrap();
    assert_eq!(tables_with(&here, &restored, a.tenant), "", "what the backup brought back is erased before the first request");
    assert!(!index.exists(), "its index too");
    server.client(Some(&a.token)).get("/api/v1/me").await.expect(401);
    let again = json!({ "email": "ada@aldebaran.example", "password": PASSWORD });
    server.client(None).post("/api/v1/session", &again).await.expect(401);
    reads(&server.client(Some(&b.token)), &b, "betelgeuse").await;

    // A copy of the backup that somebody else has opens with the root key of its time, and no longer once that is exchanged and destroyed.
    copied(&data.join("secret.key"), &here.at("former.key"));
    here.vital(&restored, &["keys", "rotate", "root"]);
    assert!(opens(a.tenant, &wrapped, &here.at("former.key")).is_ok());
    assert!(matches!(opens(a.tenant, &wrapped, &restored.join("secret.key")), Err(KeyError::NoRoot { .. })));
    drop(server);
    let leaked = here.restored("leaked", &backup, &restored, &KEY_FILES);
    let refused = here.serve(&leaked).map(drop).unwrap_err();
    assert!(refused.contains(&wrapped[0].root_key), "it names the key that it wants: {refused}");
}

/// Looks at a restored database before a server opens it: everything of the organisation is there. Returns its wrapped keys.
async fn in_the_backup(here: &Installation, data: &Path, tenant: TenantId) -> Vec<WrappedKey> {
    let folder = DataFolder::claim(data).await.unwrap();
    let cluster = Cluster::start(&Install::find(None).unwrap(), &folder, &ClusterOptions::default()).await.unwrap();
    let there = tables_with(here, data, tenant);
    for table in ["documents", "passages", "turns", "members", "tenant_keys"] {
        assert!(there.contains(table), "the backup holds {table}: {there}");
    }
    let wrapped = wrapped_keys(here, data, tenant);
    cluster.stop().await.unwrap();
    wrapped
}
