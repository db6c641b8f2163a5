//! The tenancy floor: what one tenant can see and do, the walk over every tenant table, and the mutations that must turn it red.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;
use vital_kernel::{Actor, AuditAction, AuditEntry, OpContext, Origin, RequestId, RoleSet, TenantId};
use vital_store::{Db, PlatformReason, testdb::TestDb};

#[expect(clippy::disallowed_methods, reason = "the test makes its own contexts")]
fn context(tenant: TenantId) -> OpContext {
    OpContext::establish(Origin::Test, tenant, Actor::Job(None), RoleSet::default(), RequestId::new())
}

/// Two tenants with mirrored data.
async fn two_tenants(db: &Db) -> (OpContext, OpContext) {
    let (a, b) = (TenantId::new(), TenantId::new());
    let mut tx = db.platform(PlatformReason::TenantDirectory).await.unwrap();
    for (id, slug) in [(a, "alpha"), (b, "beta")] {
        sqlx::query("insert into directory.tenants (id, slug, name, created_at) values ($1, $2, $2, now())")
            .bind(id.0)
            .bind(slug)
            .execute(tx.conn())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    for tenant in [a, b] {
        let cx = context(tenant);
        let mut tx = db.write(&cx).await.unwrap();
        sqlx::query("insert into collections (id, slug, name, starter, created_at) values ($1, 'own', 'Own', false, now())")
            .bind(Uuid::now_v7())
            .execute(tx.conn())
            .await
            .unwrap();
        tx.commit(AuditEntry::new(AuditAction::TenantSeeded, "tenant", tenant)).await.unwrap();
    }
    (context(a), context(b))
}

async fn tenant_tables(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_attribute a on a.attrelid = c.oid
         where c.relkind = 'r' and a.attname = 'tenant_id' and not a.attisdropped order by 1",
    )
    .fetch_all(conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_fresh_database_breaks_no_rule() {
    let t = TestDb::new().await.unwrap();
    assert_eq!(t.db.violations().await.unwrap(), vec![]);
    let tables = tenant_tables(&mut t.admin().await.unwrap()).await;
    assert!(tables.len() >= 14, "the walk sees the tenant tables: {tables:?}");
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_a_blind_query_sees_none() {
    let t = TestDb::new().await.unwrap();
    let (a, b) = two_tenants(&t.db).await;
    for cx in [&a, &b] {
        let mut tx = t.db.read(cx).await.unwrap();
        let seen: Vec<Uuid> = sqlx::query_scalar("select tenant_id from collections").fetch_all(tx.conn()).await.unwrap();
        assert_eq!(seen, vec![cx.tenant().0]);
    }
    let mut blind = t.as_role("vital_app").await.unwrap();
    for table in tenant_tables(&mut t.admin().await.unwrap()).await {
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}"))).fetch_one(&mut blind).await.unwrap();
        assert_eq!(rows, 0, "{table} without a tenant");
    }
}

#[tokio::test]
async fn the_tenant_does_not_outlive_its_transaction() {
    let t = TestDb::new().await.unwrap();
    let (a, _) = two_tenants(&t.db).await;
    let mut conn = t.as_role("vital_app").await.unwrap();
    let begin = format!("begin; select set_config('app.tenant_id', '{}', true)", a.tenant());
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut conn).await.unwrap();
    let inside: i64 = sqlx::query_scalar("select count(*) from collections").fetch_one(&mut conn).await.unwrap();
    sqlx::raw_sql("commit").execute(&mut conn).await.unwrap();
    let after: i64 = sqlx::query_scalar("select count(*) from collections").fetch_one(&mut conn).await.unwrap();
    assert_eq!((inside, after), (1, 0));
}

#[tokio::test]
async fn a_row_cannot_be_written_for_moved_to_or_linked_with_another_tenant() {
    let t = TestDb::new().await.unwrap();
    let (a, b) = two_tenants(&t.db).await;
    let foreign: Uuid = {
        let mut tx = t.db.read(&b).await.unwrap();
        sqlx::query_scalar("select id from collections").fetch_one(tx.conn()).await.unwrap()
    };
    let mut tx = t.db.write(&a).await.unwrap();
    let insert =
        sqlx::query("insert into collections (tenant_id, id, slug, name, starter, created_at) values ($1, $2, 'x', 'x', false, now())")
            .bind(b.tenant().0)
            .bind(Uuid::now_v7());
    assert!(insert.execute(tx.conn()).await.is_err(), "insert for another tenant");
    let mut tx = t.db.write(&a).await.unwrap();
    assert!(
        sqlx::query("update collections set tenant_id = $1").bind(b.tenant().0).execute(tx.conn()).await.is_err(),
        "move to another tenant"
    );
    let mut tx = t.db.write(&a).await.unwrap();
    let link = sqlx::query(
        "insert into documents (id, collection_id, title, file_name, size_bytes, content_hash, authority, state, created_at)
         values ($1, $2, '\\x02', '\\x02', 1, '\\x00', 'own', 'queued', now())",
    )
    .bind(Uuid::now_v7())
    .bind(foreign);
    let refused = link.execute(tx.conn()).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("23503"), "a foreign key accepts no other tenant's id");
}

#[tokio::test]
async fn a_dropped_write_leaves_nothing_and_a_read_writes_nothing() {
    let t = TestDb::new().await.unwrap();
    let (a, _) = two_tenants(&t.db).await;
    let mut tx = t.db.write(&a).await.unwrap();
    sqlx::query("delete from collections").execute(tx.conn()).await.unwrap();
    drop(tx);
    let mut tx = t.db.read(&a).await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from collections").fetch_one(tx.conn()).await.unwrap();
    assert_eq!(rows, 1);
    let refused = sqlx::query("delete from collections").execute(tx.conn()).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("25006"));
}

#[tokio::test]
async fn a_commit_leaves_its_audit_entry_and_nobody_can_change_it() {
    let t = TestDb::new().await.unwrap();
    let (a, _) = two_tenants(&t.db).await;
    let mut tx = t.db.write(&a).await.unwrap();
    let entries: Vec<(String, String)> =
        sqlx::query_as("select action, resource_id from audit_entries").fetch_all(tx.conn()).await.unwrap();
    assert_eq!(entries, vec![("tenant.seeded".to_owned(), a.tenant().to_string())]);
    for statement in ["update audit_entries set action = 'x'", "delete from audit_entries", "truncate audit_entries"] {
        let mut tx = t.db.write(&a).await.unwrap();
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"), "{statement}");
    }
}

#[tokio::test]
async fn a_job_carries_the_tenant_of_its_transaction_and_is_fenced_by_its_lease() {
    use vital_store::{JobKind, Node};
    let t = TestDb::new().await.unwrap();
    let (a, b) = two_tenants(&t.db).await;
    let subject = Uuid::now_v7();
    let mut tx = t.db.write(&a).await.unwrap();
    assert!(tx.enqueue(JobKind::IngestDocument, subject).await.unwrap());
    assert!(!tx.enqueue(JobKind::IngestDocument, subject).await.unwrap(), "the same work waits once");
    tx.commit(AuditEntry::new(AuditAction::DocumentAdded, "document", subject)).await.unwrap();
    let (first, second) = (Node::new(), Node::new());
    let job = t.db.claim_jobs(first, 10).await.unwrap().remove(0);
    assert_eq!((job.context().tenant(), job.subject), (a.tenant(), subject));
    assert!(t.db.claim_jobs(second, 10).await.unwrap().is_empty(), "a leased job is not claimed");
    t.db.expire_leases().await.unwrap();
    let again = t.db.claim_jobs(second, 10).await.unwrap().remove(0);
    assert_eq!(again.attempt, 2);
    let mut tx = t.db.write(&a).await.unwrap();
    assert_eq!(job.finish(&mut tx).await.unwrap_err().code(), "job.lease_lost");
    let mut tx = t.db.write(&b).await.unwrap();
    assert_eq!(again.finish(&mut tx).await.unwrap_err().code(), "job.lease_lost", "another tenant cannot finish it");
    let mut tx = t.db.write(&a).await.unwrap();
    again.finish(&mut tx).await.unwrap();
    tx.commit(AuditEntry::new(AuditAction::DocumentIngested, "document", subject)).await.unwrap();
    assert!(t.db.claim_jobs(first, 10).await.unwrap().is_empty());
}

/// Each mutation breaks one rule on one object; the check must name it.
#[tokio::test]
async fn every_mutation_turns_the_check_red_and_names_the_object() {
    let t = TestDb::new().await.unwrap();
    let mut admin = t.admin().await.unwrap();
    let mut mutations: Vec<(String, String, String)> = Vec::new();
    for table in tenant_tables(&mut admin).await {
        mutations.push((format!("drop policy tenant_fence on {table}"), "policy_not_canonical".into(), table.clone()));
        mutations.push((format!("alter table {table} no force row level security"), "row_security_not_forced".into(), table.clone()));
        mutations.push((format!("alter table {table} disable row level security"), "row_security_not_forced".into(), table.clone()));
        mutations.push((format!("create policy wide on {table} using (true)"), "policy_not_canonical".into(), table.clone()));
        mutations.push((format!("grant truncate on {table} to vital_app"), "excess_privilege".into(), format!("{table} to vital_app")));
        mutations.push((format!("grant select on {table} to public"), "public_privilege".into(), table.clone()));
    }
    let fixed = [
        ("create table loose (tenant_id uuid, id uuid)", "tenant_nullable", "loose"),
        ("create unique index leak on members (email)", "key_without_tenant", "leak"),
        (
            "alter table documents add foreign key (uploaded_by) references leak_target (id)",
            "foreign_key_without_tenant",
            "documents.documents_uploaded_by_fkey",
        ),
        ("create table bare (id uuid)", "global_table_not_reviewed", "bare"),
        ("create table late (tenant_id uuid not null)", "row_security_not_forced", "late"),
        ("create view all_members as select * from members", "view_with_owner_rights", "all_members"),
        ("create function app.peek() returns int language sql security definer as 'select 1'", "definer_function_not_reviewed", "app.peek"),
        ("grant select on directory.sessions to vital_app", "directory_open_to_tenant_role", "directory.sessions"),
        ("alter policy tenant_fence on members using (true)", "policy_not_canonical", "members"),
        ("grant select on members to vital_platform", "excess_privilege", "members to vital_platform"),
        ("alter role vital_app superuser", "role_too_powerful", "vital_app"),
        ("alter role vital_app bypassrls", "role_too_powerful", "vital_app"),
        ("alter role vital_platform createrole", "role_too_powerful", "vital_platform"),
        ("alter role vital_owner createdb", "role_too_powerful", "vital_owner"),
        ("grant vital_owner to vital_app", "role_is_member", "vital_app"),
        ("alter role vital_app_b bypassrls", "role_too_powerful", "vital_app_b"),
        ("alter role vital_platform_b replication", "role_too_powerful", "vital_platform_b"),
        ("grant vital_platform to vital_app_b", "role_is_member", "vital_app_b"),
        ("grant vital_app to vital_app_b with admin true", "role_is_member", "vital_app_b"),
        ("grant vital_app_b to vital_platform", "role_is_member", "vital_platform"),
        ("create role intruder; grant vital_app to intruder", "role_has_member", "vital_app has intruder"),
        ("grant select on directory.sessions to vital_app_b", "directory_open_to_tenant_role", "directory.sessions"),
        ("grant select on members to vital_platform_b", "excess_privilege", "members to vital_platform_b"),
        ("alter table members owner to vital_app", "role_owns_objects", "vital_app"),
    ];
    mutations.extend(fixed.map(|(s, r, o)| (s.to_owned(), r.to_owned(), o.to_owned())));
    for (statement, rule, object) in mutations {
        let setup = if statement.contains("leak_target") { "create table leak_target (id uuid primary key);" } else { "" };
        sqlx::raw_sql(AssertSqlSafe(format!("begin; {setup} {statement}"))).execute(&mut admin).await.unwrap();
        let found = vital_store::testdb::violations_seen_by(&mut admin).await.unwrap();
        assert!(
            found.iter().any(|v| v.rule == rule && v.object == object),
            "`{statement}` must be found as {rule} on {object}; found {found:?}"
        );
        sqlx::raw_sql("rollback").execute(&mut admin).await.unwrap();
    }
    assert_eq!(t.db.violations().await.unwrap(), vec![], "every mutation was rolled back");
}

#[tokio::test]
async fn the_server_refuses_to_open_an_unprotected_database() {
    let t = TestDb::new().await.unwrap();
    let mut admin = t.admin().await.unwrap();
    sqlx::raw_sql("drop policy tenant_fence on turns").execute(&mut admin).await.unwrap();
    let refused = t.reopen().await.err().unwrap().to_string();
    assert!(refused.contains("turns (policy_not_canonical)"), "{refused}");
}

#[tokio::test]
async fn every_checked_statement_fits_the_migrated_schema() {
    let t = TestDb::new().await.unwrap();
    let mut admin = t.admin().await.unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.sqlx");
    let mut checked = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let statement = json["query"].as_str().unwrap();
        let prepare = format!("prepare s{checked} as {statement}");
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut admin).await {
            panic!("{statement}\n{error}");
        }
        checked += 1;
    }
    assert!(checked > 40, "{checked} statements");
}
