//! What lies on the disk says nothing; a key can be exchanged while people work.

use super::{app, uploaded};
use serde_json::json;
use std::{path::Path, sync::Arc};
use vital_kernel::TenantId;
use vital_platform::keys;
use vital_testkit::app::{Persona, TestApp, until};

const CANARY: &str = "zyxomethadrine7741";
/// Stands in a column that is not sealed, so that the search is known to find what is there.
const CONTROL: &str = "control9038zyx";

/// Whether a text stands in any file under a folder, as UTF-8 or UTF-16.
pub(super) fn holds(folder: &Path, text: &str) -> Option<String> {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = holds(&path, text) {
                return Some(found);
            }
            continue;
        }
        // Files of the running database come and go.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let finds =
            |needle: &[u8]| bytes.windows(needle.len()).any(|w| w[0].eq_ignore_ascii_case(&needle[0]) && w.eq_ignore_ascii_case(needle));
        if finds(text.as_bytes()) || finds(&wide) {
            return Some(path.display().to_string());
        }
    }
    None
}

pub(super) async fn folders(app: &TestApp) -> [std::path::PathBuf; 2] {
    let data = app.sql_text("select current_setting('data_directory')").await.unwrap();
    let oid = app.sql_text("select oid from pg_database where datname = current_database()").await.unwrap();
    [Path::new(&data).join("base").join(oid), Path::new(&data).join("pg_wal")]
}

#[tokio::test]
async fn nothing_that_people_wrote_stands_in_the_files_of_database_log_index_or_dump() {
    let app = app().await;
    let member = app.member();
    let text = format!("# Stability of {CANARY}\n\nThe retest period of {CANARY} is 41 months at 25 °C.\n");
    let document = uploaded(&member, &format!("{CANARY}.md"), text).await;
    assert_eq!(document["state"], "ready", "{document}");
    let conversation = member.open().await;
    let turn = member.ask(&conversation, &format!("What is the retest period of {CANARY}?")).await;
    let asked = until("the answer", async || Some(member.turn(&turn).await).filter(|t| t["state"] != "running")).await;
    assert!(asked["answer"].to_string().contains("41 months"), "the answer stands on the document: {asked}");
    let found = member.get(&format!("/api/v1/search?q={CANARY}")).await.expect(200).json();
    assert!(found["hits"].as_array().is_some_and(|h| !h.is_empty()), "it can be searched: {found}");
    let admin = app.client(Persona::TenantAdmin);
    admin.request("POST", "/api/v1/groups").json(&json!({ "name": CONTROL })).send().await.expect(201);
    app.sql("checkpoint").await;

    let [heap, log] = folders(&app).await;
    assert!(holds(&heap, CONTROL).is_some() && holds(&log, CONTROL).is_some(), "the search finds what is not sealed");
    // What a dump writes: every table as text, bytes as hexadecimal digits.
    let mut dump = String::new();
    for table in tables(&app).await {
        dump += &app.sql_text(&format!("select string_agg(t::text, ' ') from {table} t")).await.unwrap_or_default();
    }
    assert!(dump.contains(CONTROL), "the dump holds the organisation");
    assert!(!dump.to_lowercase().contains(CANARY) && !dump.contains(&hex::encode(CANARY)), "a dump holds it");
    for folder in [heap.as_path(), log.as_path(), app.folder()] {
        assert_eq!(holds(folder, CANARY), None);
    }
}

#[tokio::test]
async fn an_organisations_key_is_exchanged_while_people_read_and_ask_and_no_request_fails() {
    let app = Arc::new(app().await);
    let tenant = TenantId(app.a().tenant.parse().unwrap());
    let before = app.sql_text(&format!("select max(version) from directory.tenant_keys where tenant = '{tenant}'")).await;
    assert_eq!(before.as_deref(), Some("1"));
    let (member, conversation) = (app.member(), app.a().conversation.clone());
    let rotation = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.on_platform(move |p| async move { keys::rotate_tenant(&p, tenant, |_, _| {}).await }).await.unwrap() }
    });
    let mut requests = 0;
    while !rotation.is_finished() {
        member.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200);
        member.get(&format!("/api/v1/documents/{}/text", app.a().document)).await.expect(200);
        member.get("/api/v1/search?q=shelf+life").await.expect(200);
        let opened = member.open().await;
        member.ask(&opened, "What is the shelf life?").await;
        requests += 5;
    }
    assert!(rotation.await.unwrap() > 0, "something was sealed again");
    assert!(requests >= 10, "people worked meanwhile");
    let query = format!("select array_agg(version) from directory.tenant_keys where tenant = '{tenant}' and purpose = 'content'");
    assert_eq!(app.sql_text(&query).await.as_deref(), Some("{2}"), "the former key is gone");
    member.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200);
}

async fn tables(app: &TestApp) -> Vec<String> {
    let all = "select string_agg(c.oid::regclass::text, ',') from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where c.relkind = 'r' and n.nspname in ('public', 'directory')";
    app.sql_text(all).await.unwrap().split(',').map(str::to_owned).collect()
}
