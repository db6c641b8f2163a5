-- What must be known before a tenant is known: tenants, logins, sessions, set-up links, queue heads. Only vital_platform reads these
-- tables; vital_app reaches them through the functions below, which take the tenant from the transaction and from nowhere else.
-- Columns are called `tenant` here, not `tenant_id`: these tables are not fenced, and the discovery test lists them by name.
set local role vital_owner;

create table directory.tenants (
    id uuid primary key,
    slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text not null check (length(name) between 1 and 200),
    created_at timestamptz not null
);

create table directory.logins (
    email text primary key check (email = lower(email) and length(email) between 3 and 254),
    tenant uuid not null references directory.tenants on delete cascade,
    user_id uuid not null,
    password_hash text not null,
    changed_at timestamptz not null,
    unique (tenant, user_id)
);

create table directory.sessions (
    token_hash bytea primary key check (length(token_hash) = 32),
    id uuid not null unique,
    tenant uuid not null,
    user_id uuid not null,
    created_at timestamptz not null,
    seen_at timestamptz not null,
    ends_at timestamptz not null,
    foreign key (tenant, user_id) references directory.logins (tenant, user_id) on delete cascade
);
create index on directory.sessions (tenant, user_id);
create index on directory.sessions (ends_at);

create table directory.setup_links (
    token_hash bytea primary key check (length(token_hash) = 32),
    created_at timestamptz not null,
    ends_at timestamptz not null
);

-- Ids only: what a job is about lives in the tenant's own tables.
create table directory.jobs (
    id uuid primary key,
    tenant uuid not null references directory.tenants on delete cascade,
    on_behalf uuid,
    kind text not null,
    subject uuid not null,
    run_at timestamptz not null,
    attempts smallint not null default 0,
    lease_owner uuid,
    lease_until timestamptz,
    created_at timestamptz not null,
    check ((lease_owner is null) = (lease_until is null))
);
create unique index jobs_once on directory.jobs (kind, subject);
create index jobs_due on directory.jobs (run_at) where lease_owner is null;
create index jobs_leased on directory.jobs (lease_until) where lease_owner is not null;

-- Vectors of texts that ship with the product, so that the starter library is embedded once and not once a tenant. Public text only.
create table directory.public_embeddings (
    model text not null,
    text_hash bytea not null check (length(text_hash) = 32),
    embedding vector(384) not null,
    primary key (model, text_hash)
);

grant select, insert, update, delete on all tables in schema directory to vital_platform;

create table public.members (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    email text not null,
    display_name text not null check (length(display_name) between 1 and 120),
    roles text[] not null check (cardinality(roles) between 1 and 6),
    active boolean not null default true,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, email)
);
select app.fence('public.members');
grant select, insert, update on public.members to vital_app;

create table public.audit_entries (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    at timestamptz not null default clock_timestamp(),
    actor_id uuid default app.actor_id(),
    action text not null,
    resource text not null,
    resource_id text not null,
    fields text[] not null,
    request_id uuid not null,
    primary key (tenant_id, id)
);
select app.fence('public.audit_entries');
grant select, insert on public.audit_entries to vital_app;

-- Creates the way in for a member of the transaction's tenant. E-mail addresses are unique across the installation.
create function app.create_login(login_email text, member uuid, hash text) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    insert into directory.logins (email, tenant, user_id, password_hash, changed_at)
    values (login_email, app.tenant_id(), member, hash, now())
$$;

-- Puts work into the queue, in the tenant's own transaction. A job that is already waiting is not doubled.
create function app.enqueue_job(job uuid, job_kind text, job_subject uuid, owner uuid, lease interval) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with added as (
        insert into directory.jobs (id, tenant, on_behalf, kind, subject, run_at, lease_owner, lease_until, attempts, created_at)
        values (job, app.tenant_id(), app.actor_id(), job_kind, job_subject, now(), owner,
                case when owner is null then null else now() + lease end, case when owner is null then 0 else 1 end, now())
        on conflict (kind, subject) do nothing
        returning 1)
    select exists (select from added)
$$;

-- Ends a job in the transaction that stores its result, so that an effect and its completion cannot part.
-- Returns false when the lease is lost: the caller must roll back.
create function app.finish_job(job uuid, owner uuid) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with gone as (delete from directory.jobs where id = job and tenant = app.tenant_id() and lease_owner = owner returning 1)
    select exists (select from gone)
$$;

-- Resolves a session token to who it is. The tenant is set from the session row, for this one statement, so the fence around
-- `members` holds here as everywhere. Renews `seen_at` at most once a minute.
create function app.session_context(token bytea, idle interval)
    returns table (tenant uuid, user_id uuid, session_id uuid, roles text[], display_name text, email text, ends_at timestamptz)
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
declare s directory.sessions;
begin
    select * into s from directory.sessions d where d.token_hash = token and d.ends_at > now() and d.seen_at > now() - idle;
    if not found then return; end if;
    perform set_config('app.tenant_id', s.tenant::text, true);
    if s.seen_at < now() - interval '1 minute' then
        update directory.sessions d set seen_at = now() where d.token_hash = token;
    end if;
    return query
        select s.tenant, s.user_id, s.id, m.roles, m.display_name, m.email, least(s.ends_at, s.seen_at + idle)
        from public.members m where m.tenant_id = s.tenant and m.id = s.user_id and m.active;
end $$;

grant execute on function app.create_login(text, uuid, text), app.enqueue_job(uuid, text, uuid, uuid, interval),
    app.finish_job(uuid, uuid) to vital_app;
grant execute on function app.session_context(bytea, interval) to vital_platform;
reset role;
