-- Custom domains: under which name people of an organisation reach it, and how it proved that the name is its own.
--
-- Several organisations may claim a name, one can prove it: a claim neither reveals nor blocks another one's.
-- Functions that run with their owner's rights take the tenant from the transaction, never from an argument.
set local role vital_owner;

create table directory.domains (
    domain text not null check (length(domain) between 3 and 253 and domain = lower(domain)),
    tenant uuid not null references directory.tenants on delete cascade,
    proof text not null check (length(proof) between 32 and 64),   -- what its TXT record has to say; no secret
    created_at timestamptz not null,
    verified_at timestamptz,                                       -- since when it is served; none: not proven, or no longer
    proved_at timestamptz,                                         -- when the record was last seen
    checked_at timestamptz,                                        -- when it was last looked for
    primary key (domain, tenant),
    check (verified_at is null or proved_at is not null)
);
create unique index domains_one_owner on directory.domains (domain) where verified_at is not null;
create index domains_of_tenant on directory.domains (tenant);
grant select on directory.domains to vital_platform;

create function app.domains()
    returns table (domain text, proof text, created_at timestamptz, verified_at timestamptz, proved_at timestamptz, checked_at timestamptz)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select d.domain, d.proof, d.created_at, d.verified_at, d.proved_at, d.checked_at
    from directory.domains d where d.tenant = app.tenant_id() order by d.domain
$$;
-- Claims a name. Returns false where the organisation has claimed it already.
create function app.add_domain(name text, new_proof text) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with added as (insert into directory.domains (domain, tenant, proof, created_at) values (name, app.tenant_id(), new_proof, now())
        on conflict do nothing returning 1)
    select exists (select from added)
$$;
-- Notes that the record was seen. Returns whether the name is served only now; fails where another organisation has proven it.
create function app.prove_domain(name text) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with before as (select d.verified_at from directory.domains d where d.tenant = app.tenant_id() and d.domain = name for update)
    update directory.domains d set verified_at = coalesce(d.verified_at, now()), proved_at = now(), checked_at = now()
    from before where d.tenant = app.tenant_id() and d.domain = name
    returning before.verified_at is null
$$;
-- Notes that the record was not there. Returns whether the name is no longer served, which it is once the record has been gone for long.
create function app.miss_domain(name text, grace interval) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with before as (select d.verified_at from directory.domains d where d.tenant = app.tenant_id() and d.domain = name for update)
    update directory.domains d set checked_at = now(), verified_at = case when d.proved_at < now() - grace then null else d.verified_at end
    from before where d.tenant = app.tenant_id() and d.domain = name
    returning before.verified_at is not null and d.verified_at is null
$$;
create function app.remove_domain(name text) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with gone as (delete from directory.domains d where d.tenant = app.tenant_id() and d.domain = name returning 1)
    select exists (select from gone)
$$;
revoke all on function app.domains(), app.add_domain(text, text), app.prove_domain(text), app.miss_domain(text, interval), app.remove_domain(text) from public;
grant execute on function app.domains(), app.add_domain(text, text), app.prove_domain(text), app.miss_domain(text, interval), app.remove_domain(text) to vital_app;
reset role;
