-- The tamper-evident trail: every entry gets a place in its log, a hash chain and a stored Merkle state (crates/vital-trail has the format).
--
-- Entries are written by the runtime role and never changed by it. The one change there is, giving an entry its place, is made by the
-- functions below, which run as vital_owner; the trigger refuses everything else, the owner's own statements included. Whoever can switch
-- the trigger off can rewrite the table: the signed checkpoints outside of the database are for that.
set local role vital_owner;

alter table public.audit_entries
    add node uuid not null default '00000000-0000-0000-0000-000000000000',      -- the process that wrote it
    add counter bigint not null default 0 check (counter >= 0),                 -- its count for this tenant; 0: from before this migration
    add seq bigint check (seq > 0),                                             -- place in the log; none while it waits for the sequencer
    add prev bytea check (length(prev) = 32),
    add hash bytea check (length(hash) = 32),
    add check ((seq is null) = (hash is null) and (seq is null) = (prev is null)),
    add check (length(action) <= 128 and length(resource) <= 128 and length(resource_id) <= 40000 and cardinality(fields) <= 256);
create unique index audit_by_seq on public.audit_entries (tenant_id, seq) where seq is not null;
create index audit_pending on public.audit_entries (tenant_id, at) where seq is null;

revoke insert on public.audit_entries from vital_app;
grant insert (id, action, resource, resource_id, fields, request_id, node, counter) on public.audit_entries to vital_app;

-- What belongs to no tenant: starts and stops, changes of the signing key, erased tenants.
create table directory.audit_entries (
    id uuid primary key,
    at timestamptz not null default clock_timestamp(),
    actor_id uuid,
    action text not null,
    resource text not null,
    resource_id text not null,
    fields text[] not null,
    request_id uuid not null,
    node uuid not null,
    counter bigint not null check (counter >= 0),
    seq bigint check (seq > 0),
    prev bytea check (length(prev) = 32),
    hash bytea check (length(hash) = 32),
    check ((seq is null) = (hash is null) and (seq is null) = (prev is null)),
    check (length(action) <= 128 and length(resource) <= 128 and length(resource_id) <= 40000 and cardinality(fields) <= 256)
);
create unique index audit_by_seq on directory.audit_entries (seq) where seq is not null;
create index audit_pending on directory.audit_entries (at) where seq is null;
grant select on directory.audit_entries to vital_platform;
grant insert (id, action, resource, resource_id, fields, request_id, node, counter) on directory.audit_entries to vital_platform;

create function app.refuse_audit_change() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    raise exception 'an audit entry does not change' using errcode = 'restrict_violation';
end $$;
create trigger unchanged before update on public.audit_entries for each row
    when (old.seq is not null or new.seq is null
        or (old.tenant_id, old.id, old.at, old.actor_id, old.action, old.resource, old.resource_id, old.fields, old.request_id, old.node, old.counter)
        is distinct from
           (new.tenant_id, new.id, new.at, new.actor_id, new.action, new.resource, new.resource_id, new.fields, new.request_id, new.node, new.counter))
    execute function app.refuse_audit_change();
create trigger unchanged before update on directory.audit_entries for each row
    when (old.seq is not null or new.seq is null
        or (old.id, old.at, old.actor_id, old.action, old.resource, old.resource_id, old.fields, old.request_id, old.node, old.counter)
        is distinct from
           (new.id, new.at, new.actor_id, new.action, new.resource, new.resource_id, new.fields, new.request_id, new.node, new.counter))
    execute function app.refuse_audit_change();
create trigger kept before delete on public.audit_entries for each row execute function app.refuse_audit_change();
create trigger kept before delete on directory.audit_entries for each row execute function app.refuse_audit_change();
create trigger whole before truncate on public.audit_entries for each statement execute function app.refuse_audit_change();
create trigger whole before truncate on directory.audit_entries for each statement execute function app.refuse_audit_change();

-- The state of each log: how far it is sequenced, the chain's head, the roots of the perfect subtrees (32 bytes each, largest first), and
-- the newest checkpoint written outside. The installation's own log has the nil id. No foreign key: a log outlives its tenant.
create table directory.audit_logs (
    log uuid primary key,
    size bigint not null default 0 check (size >= 0),
    head bytea not null default decode(repeat('00', 32), 'hex') check (length(head) = 32),
    peaks bytea not null default '' check (length(peaks) % 32 = 0),
    sequenced_at timestamptz,
    checkpoint_size bigint not null default 0 check (checkpoint_size >= 0),
    checkpoint_at timestamptz
);
create index audit_unsigned on directory.audit_logs (log) where size > checkpoint_size;
grant select, insert on directory.audit_logs to vital_platform;
grant update (checkpoint_size, checkpoint_at) on directory.audit_logs to vital_platform;

-- Takes the log of the transaction's tenant until the transaction ends.
create function app.take_audit_log() returns table (size bigint, head bytea, peaks bytea)
    language sql security definer set search_path = pg_catalog
    as $$
    insert into directory.audit_logs (log) values (app.tenant_id()) on conflict do nothing;
    select l.size, l.head, l.peaks from directory.audit_logs l where l.log = app.tenant_id() for update
$$;
-- Gives entries of the transaction's tenant their places behind the `base` that are taken, all or none.
create function app.sequence_audit(base bigint, head_before bytea, ids uuid[], hashes bytea[], peaks_after bytea) returns void
    language plpgsql security definer set search_path = pg_catalog
    as $$
declare placed bigint;
begin
    update public.audit_entries e set seq = base + i.n, prev = i.prev, hash = i.hash
    from (select u.id, u.hash, u.n, coalesce(lag(u.hash) over (order by u.n), head_before) as prev
          from unnest(ids, hashes) with ordinality u (id, hash, n)) i
    where e.tenant_id = app.tenant_id() and e.id = i.id and e.seq is null;
    get diagnostics placed = row_count;
    if placed <> cardinality(ids) then raise exception 'entries to be placed are not waiting'; end if;
    update directory.audit_logs l set size = base + placed, head = hashes[cardinality(hashes)], peaks = peaks_after, sequenced_at = now()
    where l.log = app.tenant_id() and l.size = base and l.head = head_before;
    if not found then raise exception 'the log has grown meanwhile'; end if;
end $$;
grant execute on function app.take_audit_log(), app.sequence_audit(bigint, bytea, uuid[], bytea[], bytea) to vital_app;

-- The same for the installation's log.
create function app.take_installation_log() returns table (size bigint, head bytea, peaks bytea)
    language sql security definer set search_path = pg_catalog
    as $$
    insert into directory.audit_logs (log) values ('00000000-0000-0000-0000-000000000000') on conflict do nothing;
    select l.size, l.head, l.peaks from directory.audit_logs l where l.log = '00000000-0000-0000-0000-000000000000' for update
$$;
create function app.sequence_installation(base bigint, head_before bytea, ids uuid[], hashes bytea[], peaks_after bytea) returns void
    language plpgsql security definer set search_path = pg_catalog
    as $$
declare placed bigint;
begin
    update directory.audit_entries e set seq = base + i.n, prev = i.prev, hash = i.hash
    from (select u.id, u.hash, u.n, coalesce(lag(u.hash) over (order by u.n), head_before) as prev
          from unnest(ids, hashes) with ordinality u (id, hash, n)) i
    where e.id = i.id and e.seq is null;
    get diagnostics placed = row_count;
    if placed <> cardinality(ids) then raise exception 'entries to be placed are not waiting'; end if;
    update directory.audit_logs l set size = base + placed, head = hashes[cardinality(hashes)], peaks = peaks_after, sequenced_at = now()
    where l.log = '00000000-0000-0000-0000-000000000000' and l.size = base and l.head = head_before;
    if not found then raise exception 'the log has grown meanwhile'; end if;
end $$;
-- Whose entries wait, and since when. It tells ids of tenants and times and nothing else.
create function app.audit_waiting() returns table (log uuid, since timestamptz)
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    for log in select t.id from directory.tenants t union select l.log from directory.audit_logs l loop
        perform set_config('app.tenant_id', log::text, true);
        since := (select e.at from public.audit_entries e where e.tenant_id = log and e.seq is null order by e.at limit 1);
        if since is not null then return next; end if;
    end loop;
    perform set_config('app.tenant_id', '', true);
    since := (select e.at from directory.audit_entries e where e.seq is null order by e.at limit 1);
    log := '00000000-0000-0000-0000-000000000000';
    if since is not null then return next; end if;
end $$;
grant execute on function app.take_installation_log(), app.sequence_installation(bigint, bytea, uuid[], bytea[], bytea),
    app.audit_waiting() to vital_platform;
reset role;
