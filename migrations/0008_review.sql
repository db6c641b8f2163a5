-- The weekly review of activity, and the index by which people find who saw an object.
set local role vital_owner;

-- Which entries name an object among several (`search.performed`, `evidence.retrieved`): an index for people, derived from the entries by the
-- trigger below. The proof of completeness is the chain over the entries themselves, never this table.
create table public.audit_objects (
    tenant_id uuid not null default app.tenant_id(),
    object_id uuid not null,
    entry_id uuid not null,
    primary key (tenant_id, object_id, entry_id)
);
select app.fence('public.audit_objects');
grant select, insert on public.audit_objects to vital_app;

create function app.index_audit_objects() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    insert into public.audit_objects (tenant_id, object_id, entry_id)
    select new.tenant_id, named::uuid, new.id from unnest(string_to_array(new.resource_id, ',')) named;
    return null;
end $$;
create trigger index_objects after insert on public.audit_entries
    for each row when (new.resource = 'documents' and new.resource_id <> '') execute function app.index_audit_objects();

-- Entry ids are time-ordered, so these serve the newest first without sorting.
create index audit_of_resource on public.audit_entries (tenant_id, resource_id, id desc) where resource <> 'documents';
create index audit_of_actor on public.audit_entries (tenant_id, actor_id, id desc);

-- When the organisation works: what the review takes as ordinary.
create table public.working_hours (
    tenant_id uuid not null default app.tenant_id(),
    time_zone text not null check (length(time_zone) between 1 and 64),
    from_hour smallint not null check (from_hour between 0 and 23),
    to_hour smallint not null check (to_hour between 1 and 24),
    weekdays smallint[] not null check (cardinality(weekdays) between 1 and 7 and weekdays <@ '{1,2,3,4,5,6,7}'::smallint[]),
    primary key (tenant_id),
    check (from_hour < to_hour)
);
select app.fence('public.working_hours');
grant select, insert, update on public.working_hours to vital_app;

-- One review a week. It keeps the span and the working hours it was made with; once signed, nothing of it changes.
create table public.activity_reviews (
    tenant_id uuid not null default app.tenant_id(),
    week date not null check (extract(isodow from week) = 1),       -- its Monday, in the organisation's time zone
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    time_zone text not null,
    from_hour smallint not null,
    to_hour smallint not null,
    weekdays smallint[] not null,
    entries bigint not null check (entries >= 0),                   -- how many entries of the trail the week has
    prepared_at timestamptz not null,
    signed_by uuid,
    signer_name text check (length(signer_name) between 1 and 200), -- as printed at the time of signing (21 CFR 11.50)
    signed_at timestamptz,
    meaning text,
    sole_reviewer boolean not null default false,                   -- signed by a subject of it, because nobody else could
    record_hash bytea check (length(record_hash) = 32),             -- SHA-256 of the canonical record (21 CFR 11.70)
    primary key (tenant_id, week),
    check ((signed_at is null) = (signed_by is null) and (signed_at is null) = (signer_name is null)
        and (signed_at is null) = (meaning is null) and (signed_at is null) = (record_hash is null))
);
create table public.review_findings (
    tenant_id uuid not null default app.tenant_id(),
    week date not null,
    n smallint not null check (n > 0),
    kind text not null check (kind in ('break_glass', 'export', 'bulk_read', 'unusual_volume', 'off_hours', 'sign_in_spray', 'admin_granted')),
    subject_id uuid,                                                 -- whose activity it is
    object_id uuid,                                                  -- the opening, or the member who became an administrator
    events bigint not null check (events > 0),
    usual bigint,                                                    -- the person's own median week
    first_at timestamptz not null,
    last_at timestamptz not null,
    verdict text check (verdict in ('explained', 'follow_up')),
    note text check (length(note) between 1 and 2000),
    primary key (tenant_id, week, n),
    foreign key (tenant_id, week) references public.activity_reviews (tenant_id, week),
    check ((verdict is null) = (note is null))
);
select app.fence(t) from unnest(array['public.activity_reviews', 'public.review_findings']::regclass[]) t;
grant select, insert, update on public.activity_reviews, public.review_findings to vital_app;

create function app.refuse_signed_review() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    if tg_table_name = 'activity_reviews' then
        if old.signed_at is not null then raise exception 'a signed review does not change'; end if;
    elsif exists (select from public.activity_reviews r where r.tenant_id = old.tenant_id and r.week = old.week and r.signed_at is not null) then
        raise exception 'a signed review does not change';
    end if;
    return new;
end $$;
create trigger signed before update on public.activity_reviews for each row execute function app.refuse_signed_review();
create trigger signed before update on public.review_findings for each row execute function app.refuse_signed_review();
create function app.refuse_new_finding() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    if exists (select from public.activity_reviews r where r.tenant_id = new.tenant_id and r.week = new.week and r.signed_at is not null) then
        raise exception 'a signed review does not change';
    end if;
    return new;
end $$;
create trigger unsigned before insert on public.review_findings for each row execute function app.refuse_new_finding();
reset role;
