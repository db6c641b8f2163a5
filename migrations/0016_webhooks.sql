-- Webhooks: addresses that an organisation has notices sent to, the notices (the outbox), their deliveries and every attempt.
-- A notice is written in the transaction of the change it tells of. The queue, in the directory, holds ids and times alone.
set local role vital_owner;

create table public.webhooks (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    name text not null check (length(name) between 1 and 80),
    url bytea not null,                                            -- sealed: a path or query may be a secret
    events text[] not null check (cardinality(events) <= 50),      -- types that are sent; none means all
    secret bytea not null,                                         -- sealed
    secret_set_at timestamptz not null,
    previous_secret bytea,                                         -- sealed; signs beside the present one until previous_until
    previous_until timestamptz,
    enabled boolean not null default true,
    off_because text check (off_because in ('person', 'gone', 'failing')),
    off_since timestamptz,
    failing_since timestamptz,                                     -- first failure since the last success
    last_failure_at timestamptz,
    last_success_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    check ((previous_secret is null) = (previous_until is null)),
    check (enabled = (off_because is null) and enabled = (off_since is null))
);
create table public.webhook_messages (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    event text not null check (length(event) between 1 and 60),
    body text not null check (length(body) <= 4096),               -- the bytes that are signed and sent: ids and states
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create index webhook_messages_by_age on public.webhook_messages (tenant_id, created_at);
create table public.webhook_deliveries (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    webhook_id uuid not null,
    message_id uuid not null,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'given_up')),
    attempts smallint not null default 0,                          -- in the present round; sending again begins a new one
    next_at timestamptz,
    created_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, webhook_id, message_id),
    foreign key (tenant_id, webhook_id) references public.webhooks (tenant_id, id) on delete cascade,
    foreign key (tenant_id, message_id) references public.webhook_messages (tenant_id, id) on delete cascade,
    check ((state = 'pending') = (next_at is not null)),
    check ((state = 'pending') = (ended_at is null))
);
create index webhook_deliveries_of_message on public.webhook_deliveries (tenant_id, message_id);
create table public.webhook_attempts (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    delivery_id uuid not null,
    at timestamptz not null,
    outcome text not null check (outcome in ('answered', 'not_reached', 'too_slow', 'cut_off', 'unreadable', 'address_refused')),
    status smallint check (status between 100 and 999),
    took_ms integer not null check (took_ms >= 0),
    primary key (tenant_id, id),
    foreign key (tenant_id, delivery_id) references public.webhook_deliveries (tenant_id, id) on delete cascade,
    check ((outcome = 'answered') = (status is not null))
);
create index webhook_attempts_of_delivery on public.webhook_attempts (tenant_id, delivery_id);
select app.fence(t)
from unnest(array['public.webhooks', 'public.webhook_messages', 'public.webhook_deliveries', 'public.webhook_attempts']::regclass[]) t;
grant select, insert, update, delete on public.webhooks, public.webhook_deliveries to vital_app;
grant select, insert, delete on public.webhook_messages, public.webhook_attempts to vital_app;
select app.seal_column('public.webhooks', 'url');
select app.seal_column('public.webhooks', 'secret');
select app.seal_column('public.webhooks', 'previous_secret');

-- One row a delivery that is to be made, of webhooks that are switched on.
create table directory.webhook_queue (
    delivery uuid primary key,
    tenant uuid not null references directory.tenants on delete cascade,
    webhook uuid not null,
    due_at timestamptz not null,
    lease_owner uuid,
    lease_until timestamptz,
    check ((lease_owner is null) = (lease_until is null))
);
create index webhook_queue_due on directory.webhook_queue (webhook, due_at);
create index webhook_queue_leased on directory.webhook_queue (webhook) where lease_owner is not null;
create index webhook_queue_of_tenant on directory.webhook_queue (tenant);
create index webhook_queue_oldest on directory.webhook_queue (due_at);
grant select, update, delete on directory.webhook_queue to vital_platform;

-- Puts deliveries into the queue, in the tenant's own transaction; one that is there already gets the new time and loses its lease.
create function app.queue_deliveries(deliveries uuid[], webhooks uuid[], due timestamptz) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    insert into directory.webhook_queue (delivery, tenant, webhook, due_at)
    select d.delivery, app.tenant_id(), d.webhook, due from unnest(deliveries, webhooks) d (delivery, webhook)
    on conflict (delivery) do update set due_at = excluded.due_at, lease_owner = null, lease_until = null
        where webhook_queue.tenant = app.tenant_id()
$$;

-- Ends a claim in the transaction that records its attempt: with a time the delivery waits for it, without one it leaves the queue.
-- Returns false when the lease is lost: somebody else has the delivery, or nobody is to make it any more.
create function app.settle_delivery(made uuid, owner uuid, next timestamptz) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with gone as (delete from directory.webhook_queue
                  where delivery = made and tenant = app.tenant_id() and lease_owner = owner and next is null returning 1),
         waits as (update directory.webhook_queue set due_at = next, lease_owner = null, lease_until = null
                   where delivery = made and tenant = app.tenant_id() and lease_owner = owner and next is not null returning 1)
    select exists (select from gone) or exists (select from waits)
$$;

-- Takes every delivery of a webhook out of the queue.
create function app.unqueue_webhook(gone uuid) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    delete from directory.webhook_queue where webhook = gone and tenant = app.tenant_id()
$$;
grant execute on function app.queue_deliveries(uuid[], uuid[], timestamptz), app.settle_delivery(uuid, uuid, timestamptz), app.unqueue_webhook(uuid)
    to vital_app;
reset role;
