//! The catalogue-driven check that tenant data is fenced. It reads the system catalogue and no hand-kept list of tenant tables: a table
//! that gains a `tenant_id` column is checked from then on. Run before serving, on every readiness probe and in the mutation tests.

use crate::{Db, PlatformReason};
use serde::Serialize;
use sqlx::PgConnection;
use std::fmt::Write as _;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Violation {
    /// The rule, as a stable name.
    pub rule: String,
    /// The table, function or role that breaks it.
    pub object: String,
}

/// Says all violations in one line.
#[must_use]
pub fn describe(violations: &[Violation]) -> String {
    let mut out = String::new();
    for (i, v) in violations.iter().enumerate() {
        let _infallible = write!(out, "{}{} ({})", if i == 0 { "" } else { ", " }, v.object, v.rule);
    }
    out
}

/// How the server prints the canonical policy expression.
const CANONICAL: &str = "(tenant_id = ( SELECT app.tenant_id() AS tenant_id))";
/// Tables without a tenant column: each reviewed, each reachable by the platform role alone (or by nobody at run time).
const GLOBAL_TABLES: [&str; 18] = [
    "_sqlx_migrations",
    "directory.audit_entries",
    "directory.audit_logs",
    "directory.ceremonies",
    "directory.domains",
    "directory.erasures",
    "directory.issuers",
    "directory.jobs",
    "directory.logins",
    "directory.passkeys",
    "directory.public_embeddings",
    "directory.sessions",
    "directory.setup_links",
    "directory.tenant_keys",
    "directory.tenants",
    "directory.tokens",
    "directory.unsealed",
    "directory.webhook_queue",
];
/// Functions that run with their owner's rights: each reviewed, with a pinned search path.
const DEFINER_FUNCTIONS: [&str; 35] = [
    "app.add_domain",
    "app.audit_waiting",
    "app.create_login",
    "app.domains",
    "app.end_sessions",
    "app.end_token",
    "app.enqueue_job",
    "app.erase_tenant",
    "app.finish_job",
    "app.forget_passkey",
    "app.issue_token",
    "app.miss_domain",
    "app.password_of",
    "app.prove_domain",
    "app.prune_idempotency_keys",
    "app.queue_deliveries",
    "app.register_issuer",
    "app.register_passkey",
    "app.remove_domain",
    "app.remove_login",
    "app.rename_login",
    "app.resolve",
    "app.rotate_session",
    "app.sequence_audit",
    "app.sequence_installation",
    "app.sessions_of",
    "app.set_password",
    "app.set_tenant_policy",
    "app.settle_delivery",
    "app.start_session",
    "app.take_audit_log",
    "app.take_installation_log",
    "app.tenant_keys",
    "app.tenant_policy",
    "app.unqueue_webhook",
];

/// The logins of the tenant role and those of the directory's: one of each is in use, and the second of each inherits from the first.
const APP_LOGINS: [&str; 2] = ["vital_app", "vital_app_b"];
const PLATFORM_LOGINS: [&str; 2] = ["vital_platform", "vital_platform_b"];

const QUERY: &str = r"
with tables as (
    select c.oid, c.relname, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.oid::regclass::text as name,
           (select a.attnum from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) as tenant_att,
           exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull) as tenant_not_null
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname !~ '^pg_temp'
), fenced as (select * from tables where tenant_att is not null),
logins as (select r as name, r = any ($5) as platform from unnest($4 || $5) r),
members as (
    select g.rolname as role, r.rolname as member, r.rolsuper or r.rolcreaterole as administrator, m.inherit_option or m.set_option as rights,
           (g.rolname, r.rolname) in (($4[1], $4[2]), ($5[1], $5[2])) and m.inherit_option and not m.set_option and not m.admin_option as own
    from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member)
select 'row_security_not_forced' as rule, name as object from fenced where not (relrowsecurity and relforcerowsecurity)
union all
select 'policy_not_canonical', name from fenced f where (
    select count(*) filter (where p.polpermissive and p.polcmd = '*' and p.polroles = '{0}'
        and pg_get_expr(p.polqual, p.polrelid) = $1 and pg_get_expr(p.polwithcheck, p.polrelid) = $1) <> 1 or count(*) <> 1
    from pg_policy p where p.polrelid = f.oid)
union all
select 'tenant_nullable', name from fenced where not tenant_not_null
union all
select 'key_without_tenant', i.indexrelid::regclass::text from fenced f join pg_index i on i.indrelid = f.oid
    where i.indisunique and i.indkey[0] <> f.tenant_att
union all
select 'foreign_key_without_tenant', f.name || '.' || k.conname from fenced f join pg_constraint k on k.conrelid = f.oid
    where k.contype = 'f' and k.conkey[1] <> f.tenant_att
union all
select 'excess_privilege', t.name || ' to ' || l.name from fenced t, logins l
    where has_table_privilege(l.name, oid, 'TRUNCATE, REFERENCES, TRIGGER')
       or (l.platform and has_table_privilege(l.name, oid, 'SELECT, INSERT, UPDATE, DELETE'))
union all
select 'public_privilege', t.name from tables t join pg_class c on c.oid = t.oid, aclexplode(c.relacl) a where a.grantee = 0
union all
select 'global_table_not_reviewed', name from tables where tenant_att is null and name <> all ($2)
union all
select distinct 'directory_open_to_tenant_role', t.name from tables t, logins l
    where tenant_att is null and not l.platform and has_table_privilege(l.name, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
union all
select 'role_too_powerful', rolname from pg_roles
    where (rolname = 'vital_owner' or rolname in (select name from logins)) and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
union all
select 'role_owns_objects', r.rolname from pg_roles r
    where r.rolname in (select name from logins) and exists (select from pg_class c where c.relowner = r.oid)
union all
select distinct 'role_is_member', member from members where member in (select name from logins) and not own
union all
-- Who may make roles may also join them; whoever made these is an administrator of them and has no rights by it.
select distinct 'role_has_member', role || ' has ' || member from members
    where role in (select name from logins) and member not in (select name from logins) and rights and not administrator
union all
select 'session_role_wrong', session_user::text where session_user::text not in (select name from logins)
union all
select 'definer_function_not_reviewed', p.oid::regproc::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema') and (
        p.oid::regproc::text <> all ($3) or not coalesce('search_path=pg_catalog' = any (p.proconfig), false)
        or exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0))
union all
select 'view_with_owner_rights', c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema') and (c.relkind = 'm'
        or c.relkind = 'v' and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on'], false))
union all
select 'vector_extension_too_old', coalesce((select extversion from pg_extension where extname = 'vector'), 'none')
    where not exists (select from pg_extension where extname = 'vector' and string_to_array(extversion, '.')::int[] >= array[0, 8, 2])
order by 1, 2";

impl Db {
    /// Returns every broken rule of tenant protection; empty means protected.
    ///
    /// # Errors
    /// The statement failed, for example because the database does not answer.
    pub async fn violations(&self) -> Result<Vec<Violation>, sqlx::Error> {
        let mut tx = self.platform(PlatformReason::Readiness).await.map_err(|e| sqlx::Error::Io(std::io::Error::other(e)))?;
        violations(tx.conn()).await
    }
}

/// Every broken rule as a connection sees it.
pub(crate) async fn violations(conn: &mut PgConnection) -> Result<Vec<Violation>, sqlx::Error> {
    sqlx::query_as(QUERY)
        .bind(CANONICAL)
        .bind(GLOBAL_TABLES.as_slice())
        .bind(DEFINER_FUNCTIONS.as_slice())
        .bind(APP_LOGINS.as_slice())
        .bind(PLATFORM_LOGINS.as_slice())
        .fetch_all(conn)
        .await
}
