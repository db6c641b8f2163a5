-- Roles, schemas and the vector extension. Roles belong to the whole cluster, so every statement about them is repeatable.
--
-- vital_owner     owns every object; nobody logs in as it
-- vital_app       the runtime role of tenant work: DML only, owns nothing, cannot bypass row-level security
-- vital_platform  the runtime role of the directory: tenants, logins, sessions, queue heads

do $$ begin create role vital_owner nologin nosuperuser nobypassrls; exception when duplicate_object then null; end $$;
do $$ begin create role vital_app login nosuperuser nocreatedb nocreaterole nobypassrls; exception when duplicate_object then null; end $$;
do $$ begin create role vital_platform login nosuperuser nocreatedb nocreaterole nobypassrls; exception when duplicate_object then null; end $$;

do $$ begin
    execute format('grant vital_owner to %I', current_user);
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to vital_app, vital_platform', current_database());
    execute format('grant create on database %I to vital_owner', current_database());
end $$;

create extension if not exists vector;

revoke all on schema public from public;
grant usage, create on schema public to vital_owner;
grant usage on schema public to vital_app, vital_platform;

create schema app authorization vital_owner;
create schema directory authorization vital_owner;
grant usage on schema app to vital_app, vital_platform;
grant usage on schema directory to vital_platform;

set local role vital_owner;
alter default privileges for role vital_owner revoke execute on functions from public;

-- After COMMIT a transaction-local setting reads '' and not NULL, and a bare cast of '' raises: hence nullif.
create function app.tenant_id() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('app.tenant_id', true), '')::uuid;

create function app.actor_id() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('app.actor_id', true), '')::uuid;

-- Puts the canonical fence around a tenant table: forced row-level security with the one policy that the start-up check knows.
create function app.fence(tbl regclass) returns void
    language plpgsql set search_path = pg_catalog
    as $$
begin
    execute format('alter table %s enable row level security', tbl);
    execute format('alter table %s force row level security', tbl);
    execute format('create policy tenant_fence on %s using (tenant_id = (select app.tenant_id())) with check (tenant_id = (select app.tenant_id()))', tbl);
end $$;

grant execute on function app.tenant_id(), app.actor_id() to vital_app, vital_platform;
reset role;
