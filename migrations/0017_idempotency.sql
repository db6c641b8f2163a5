-- Writes that came with an idempotency key: who runs one, and the reply that the same request gets when it comes again. Kept for a day.
set local role vital_owner;

create table public.idempotency_keys (
    tenant_id uuid not null default app.tenant_id(),
    attempt uuid not null,                                          -- the request that runs, or whose reply is kept
    scope bytea not null check (length(scope) = 16),                -- keyed hash of caller, method, path and key
    fingerprint bytea not null check (length(fingerprint) = 16),    -- keyed hash of everything that was asked
    stepped_up boolean not null,
    -- `effected`: what it was to do is committed, its reply is not stored yet; written by the transaction that has the effect.
    state text not null check (state in ('started', 'effected', 'recorded', 'too_large', 'turn')),
    status smallint check (status between 200 and 399),
    reply bytea,                                                    -- sealed
    lease_until timestamptz not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (tenant_id, attempt),
    unique (tenant_id, scope),
    check ((reply is null) = (state in ('started', 'effected'))),
    check ((reply is null) = (status is null))
);
create index idempotency_keys_expired on public.idempotency_keys (tenant_id, expires_at);
select app.fence('public.idempotency_keys');
grant select, insert, update, delete on public.idempotency_keys to vital_app;
select app.seal_column('public.idempotency_keys', 'reply');

-- Deletes those of every tenant whose time is over.
create function app.prune_idempotency_keys(before timestamptz) returns bigint
    language plpgsql security definer set search_path = pg_catalog
    as $$
declare
    tenant uuid;
    gone bigint;
    deleted bigint := 0;
begin
    for tenant in select t.id from directory.tenants t loop
        perform set_config('app.tenant_id', tenant::text, true);
        delete from public.idempotency_keys k where k.tenant_id = tenant and k.expires_at <= before;
        get diagnostics gone = row_count;
        deleted := deleted + gone;
    end loop;
    perform set_config('app.tenant_id', '', true);
    return deleted;
end $$;
grant execute on function app.prune_idempotency_keys(timestamptz) to vital_platform;
reset role;
