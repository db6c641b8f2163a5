-- Keys of tenants, wrapped by a root key that is not in the database, and the columns that are sealed with them.
--
-- A sealed value begins with the byte 2 (crates/vital-keys/src/tenant.rs has the format). What was stored before this migration gets the
-- byte 0 in front and is sealed before the server serves again; what the former single key sealed begins with 1. A check of each column
-- refuses both in every row that is written from then on; where there is something to be sealed first, it is added when that is done.
set local role vital_owner;

create table directory.tenant_keys (
    tenant uuid not null references directory.tenants on delete cascade,
    purpose text not null check (purpose in ('content', 'index')),
    version integer not null check (version > 0),
    root_key text not null,                      -- the id of the root key that wrapped it
    wrapped bytea not null,
    created_at timestamptz not null default now(),
    rewrapped_at timestamptz not null default now(),
    primary key (tenant, purpose, version)
);
-- What was erased, by SHA-256 of its id: kept for ever, so that a restored backup can be erased again.
create table directory.erasures (
    tenant_hash bytea primary key check (length(tenant_hash) = 32),
    erased_at timestamptz not null
);
-- When a tenant got its first keys: from then on missing keys are a loss to be told, and never made anew.
alter table directory.tenants add keyed_at timestamptz;
-- Columns that still hold what an earlier version stored unsealed.
create table directory.unsealed (
    place text primary key
);
grant select, insert, update, delete on directory.tenant_keys, directory.unsealed to vital_platform;
grant select, insert on directory.erasures to vital_platform;

-- A version that is younger than `spread` opens and does not seal yet: by then every node has read it.
create function app.tenant_keys(spread interval) returns table (purpose text, version integer, root_key text, wrapped bytea, seals boolean)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select k.purpose, k.version, k.root_key, k.wrapped,
           k.created_at <= clock_timestamp() - spread or k.version = min(k.version) over (partition by k.purpose)
    from directory.tenant_keys k where k.tenant = app.tenant_id()
$$;
grant execute on function app.tenant_keys(interval) to vital_app;

-- Deletes what is stored of the transaction's tenant, except the audit trail, which holds ids and field names. Tables that others refer
-- to come when those are empty: every round deletes what it can.
create function app.erase_tenant() returns bigint
    language plpgsql security definer set search_path = pg_catalog
    as $$
declare
    tbl regclass;
    gone bigint;
    deleted bigint := 0;
    blocked boolean := true;
    round integer := 0;
begin
    if not exists (select from directory.erasures where tenant_hash = sha256(convert_to(app.tenant_id()::text, 'UTF8'))) then
        raise exception 'only a tenant whose erasure is recorded is erased';
    end if;
    while blocked loop
        blocked := false;
        round := round + 1;
        for tbl in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition and c.relname not like 'audit\_%'
              and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
            order by c.relname
        loop
            begin
                execute format('delete from %s where tenant_id = app.tenant_id()', tbl);
                get diagnostics gone = row_count;
                deleted := deleted + gone;
            exception when foreign_key_violation then
                blocked := true;
            end;
        end loop;
        if round > 20 then
            raise exception 'tables refer to each other in a circle';
        end if;
    end loop;
    return deleted;
end $$;
grant execute on function app.erase_tenant() to vital_app;

alter table public.conversations
    alter column title drop default;
alter table public.turns
    alter column question type bytea using '\x00'::bytea || convert_to(question, 'UTF8'),
    alter column answer type bytea using '\x00'::bytea || convert_to(answer::text, 'UTF8');
alter table public.conversations
    alter column title drop not null,
    alter column title type bytea using '\x00'::bytea || convert_to(nullif(title, ''), 'UTF8');
alter table public.turn_events
    alter column payload type bytea using '\x00'::bytea || convert_to(payload::text, 'UTF8');
alter table public.documents
    alter column title type bytea using '\x00'::bytea || convert_to(title, 'UTF8'),
    alter column file_name type bytea using '\x00'::bytea || convert_to(file_name, 'UTF8');
alter table public.document_files
    alter column bytes type bytea using '\x00'::bytea || bytes;
alter table public.document_texts
    alter column text type bytea using '\x00'::bytea || convert_to(text, 'UTF8'),
    alter column blocks type bytea using '\x00'::bytea || convert_to(blocks::text, 'UTF8');
alter table public.passages
    alter column heading_path type bytea using '\x00'::bytea || convert_to(array_to_json(heading_path)::text, 'UTF8'),
    alter column body type bytea using '\x00'::bytea || convert_to(body, 'UTF8');

-- Sealed bytes do not compress: leave out the attempt. And let the database itself refuse what is not sealed.
create function app.seal_column(tbl regclass, col text) returns void
    language plpgsql set search_path = pg_catalog
    as $$
begin
    execute format('alter table %s alter column %I set storage external', tbl, col);
    if not exists (select from pg_constraint c where c.conrelid = tbl and c.conname = col || '_sealed') then
        execute format('alter table %s add constraint %I check (get_byte(%I, 0) = 2)', tbl, col || '_sealed', col);
    end if;
end $$;
select app.seal_column(t::regclass, c) from (values
    ('public.conversations', 'title'), ('public.turns', 'question'), ('public.turns', 'answer'), ('public.turn_events', 'payload'),
    ('public.documents', 'title'), ('public.documents', 'file_name'), ('public.document_files', 'bytes'), ('public.document_texts', 'text'),
    ('public.document_texts', 'blocks'), ('public.passages', 'heading_path'), ('public.passages', 'body'), ('public.factors', 'secret'),
    ('public.sso_providers', 'secret'), ('public.sso_providers', 'previous_secret')) v (t, c)
where not exists (select from directory.tenants);
insert into directory.unsealed select p from (values
    ('conversations.title'), ('turns.question'), ('turns.answer'), ('turn_events.payload'), ('documents.title'), ('documents.file_name'),
    ('document_files.bytes'), ('document_texts.text'), ('document_texts.blocks'), ('passages.heading_path'), ('passages.body'),
    ('factors.secret'), ('sso_providers.secret'), ('sso_providers.previous_secret')) v (p)
where exists (select from directory.tenants);
reset role;
