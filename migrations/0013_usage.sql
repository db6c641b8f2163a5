-- What models are used for: budgets, what is held against them while a request is under way, and the ledger of what was used.
--
-- Money is in millionths of a millionth of a US dollar (a price in millionths per million tokens times tokens), so that no amount is rounded.
--
-- One rule holds the counters: those of a budget are the sum of the ledger and of the open holds of their period that the budget covers. A
-- reservation and a settlement keep it together, under a shared lock of the organisation's; a budget that is set is counted under the same lock,
-- taken alone. The rows of counters are locked in the order of their key, everywhere.
set local role vital_owner;

create table public.budgets (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    scope text not null check (scope in ('organisation', 'every_person', 'person', 'expert')),
    user_id uuid,
    expert_id uuid,
    period text not null check (period in ('day', 'month')),       -- by the calendar in UTC
    limit_tokens bigint check (limit_tokens between 1 and 1000000000000000),
    limit_pico bigint check (limit_pico between 1000000 and 1000000000000000000),
    soft_percent integer not null check (soft_percent between 1 and 100),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    unique nulls not distinct (tenant_id, scope, user_id, expert_id, period),
    foreign key (tenant_id, user_id) references public.members (tenant_id, id) on delete cascade,
    foreign key (tenant_id, expert_id) references public.experts (tenant_id, id) on delete cascade,
    check (limit_tokens is not null or limit_pico is not null),
    check ((scope = 'person') = (user_id is not null)),
    check ((scope = 'expert') = (expert_id is not null))
);
-- What is spent and held of a budget within one period; no row: nothing. The subject is the person where a budget holds for every person.
create table public.budget_counters (
    tenant_id uuid not null default app.tenant_id(),
    budget_id uuid not null,
    subject uuid not null,
    period_start date not null,
    tokens_spent bigint not null default 0,
    tokens_held bigint not null default 0,
    pico_spent bigint not null default 0,
    pico_held bigint not null default 0,
    warned_at timestamptz,                                         -- when the soft threshold was crossed
    primary key (tenant_id, budget_id, subject, period_start),
    foreign key (tenant_id, budget_id) references public.budgets (tenant_id, id) on delete cascade
);
-- The most that a request under way can cost. It becomes a row of the ledger when the request ends, or when it is overdue.
create table public.usage_holds (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    at timestamptz not null,
    expires_at timestamptz not null,
    user_id uuid,
    expert_id uuid,
    turn_id uuid,
    purpose text not null check (length(purpose) between 1 and 40),
    provider text not null,
    model text not null,
    input_tokens bigint not null check (input_tokens >= 0),
    output_tokens bigint not null check (output_tokens >= 0),
    cost_pico bigint check (cost_pico >= 0),
    primary key (tenant_id, id)
);
create index usage_holds_overdue on public.usage_holds (tenant_id, expires_at);
-- One row for each request to a model that was used. Nothing of what was asked or answered.
create table public.usage_ledger (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    at timestamptz not null,                                       -- when the request began: the period it counts for
    settled_at timestamptz not null,
    user_id uuid,
    expert_id uuid,
    turn_id uuid,
    purpose text not null check (length(purpose) between 1 and 40),
    provider text not null,
    model text not null,
    input_tokens bigint not null check (input_tokens >= 0),
    cached_input_tokens bigint not null check (cached_input_tokens >= 0),
    cache_write_tokens bigint not null check (cache_write_tokens >= 0),
    output_tokens bigint not null check (output_tokens >= 0),
    reasoning_tokens bigint not null check (reasoning_tokens >= 0),
    cost_pico bigint check (cost_pico >= 0),                       -- none: the model had no price
    basis text not null check (basis in ('reported', 'bounded', 'estimated', 'overdue', 'cached')),
    primary key (tenant_id, id)
);
create index usage_ledger_at on public.usage_ledger (tenant_id, at);
create index usage_ledger_user on public.usage_ledger (tenant_id, user_id, at);
create index usage_ledger_turn on public.usage_ledger (tenant_id, turn_id) where turn_id is not null;
-- Prices of an organisation's own contracts, over the list: of a model of its own, or of the installation's provider where no model is named.
-- Millionths of a US dollar per million tokens.
create table public.model_prices (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    model_id uuid,
    input bigint not null check (input between 0 and 10000000000),
    cached_input bigint not null check (cached_input between 0 and 10000000000),
    cache_write bigint not null check (cache_write between 0 and 10000000000),
    output bigint not null check (output between 0 and 10000000000),
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    unique nulls not distinct (tenant_id, model_id),
    foreign key (tenant_id, model_id) references public.models (tenant_id, id) on delete cascade
);
select app.fence(t) from unnest(array['public.budgets', 'public.budget_counters', 'public.usage_holds', 'public.usage_ledger',
    'public.model_prices']::regclass[]) t;
grant select, insert, update, delete on public.budgets, public.model_prices to vital_app;
grant select, insert, update on public.budget_counters to vital_app;
grant select, insert, delete on public.usage_holds to vital_app;
grant select, insert on public.usage_ledger to vital_app;

-- Reservations and settlements share the lock of their organisation; who sets a budget takes it alone. It ends with the transaction.
create function app.lock_usage(alone boolean) returns void
    language plpgsql set search_path = pg_catalog
    as $$
begin
    if alone then
        perform pg_advisory_xact_lock(1985, hashtext(app.tenant_id()::text));
    else
        perform pg_advisory_xact_lock_shared(1985, hashtext(app.tenant_id()::text));
    end if;
end $$;

create function app.period_start(period text, at timestamptz) returns date
    language sql immutable
    return date_trunc(period, at at time zone 'UTC')::date;

-- The budgets that cover a request, in the order in which their rows of counters are locked. A person's own budget takes the place of that for
-- every person, which is counted nevertheless, for the own one may be removed. Without a search path of its own, so that the planner takes it
-- for part of the query that it stands in.
create function app.budgets_of(usr uuid, expert uuid, at timestamptz)
    returns table (id uuid, scope text, period text, limit_tokens bigint, limit_pico bigint, soft_percent integer, subject uuid,
                   period_start date, replaced boolean)
    language sql stable
    as $$
    select b.id, b.scope, b.period, b.limit_tokens, b.limit_pico, b.soft_percent,
           case when b.scope = 'every_person' then usr else '00000000-0000-0000-0000-000000000000'::uuid end,
           pg_catalog.date_trunc(b.period, at at time zone 'UTC')::date,
           b.scope = 'every_person' and exists (
               select from public.budgets o where o.scope = 'person' and o.user_id = usr and o.period = b.period)
    from public.budgets b
    where b.scope = 'organisation' or b.scope = 'every_person' and usr is not null or b.scope = 'person' and b.user_id = usr
       or b.scope = 'expert' and b.expert_id = expert
    order by b.id
$$;

-- Holds the most that a request can cost against every budget that covers it. Returns the first budget that has not enough left; the caller
-- rolls back then, and nothing is held. Or one row without a budget, which says whether a budget of money covers the request. A cost of null
-- is that of models without a price: refused with `no_price` under a budget of money.
--
-- The commit is not waited for: where the machine itself falls within the next moment, the hold is lost with the counters it is part of, and
-- the settlement of a request that goes on counts without it.
create function app.reserve_usage(hold uuid, started timestamptz, expires timestamptz, usr uuid, expert uuid, turn uuid, why text,
                                  provider_name text, model_name text, input bigint, output bigint, pico bigint)
    returns table (refused text, scope text, period text, period_start date, limit_tokens bigint, left_tokens bigint,
                   limit_pico bigint, left_pico bigint, money boolean)
    language plpgsql set search_path = pg_catalog
    as $$
declare
    b record;
    rest_tokens bigint;
    rest_pico bigint;
begin
    perform set_config('synchronous_commit', 'off', true);
    perform app.lock_usage(false);
    insert into public.usage_holds (id, at, expires_at, user_id, expert_id, turn_id, purpose, provider, model, input_tokens, output_tokens, cost_pico)
        values (hold, started, expires, usr, expert, turn, why, provider_name, model_name, input, output, pico);
    money := false;
    for b in select * from app.budgets_of(usr, expert, started) loop
        loop
            update public.budget_counters c set tokens_held = c.tokens_held + input + output, pico_held = c.pico_held + coalesce(pico, 0)
                where c.tenant_id = (select app.tenant_id()) and c.budget_id = b.id and c.subject = b.subject and c.period_start = b.period_start
                returning b.limit_tokens - c.tokens_spent - c.tokens_held, b.limit_pico - c.pico_spent - c.pico_held into rest_tokens, rest_pico;
            exit when found;
            insert into public.budget_counters (budget_id, subject, period_start) values (b.id, b.subject, b.period_start) on conflict do nothing;
        end loop;
        continue when b.replaced;
        money := money or b.limit_pico is not null;
        -- What is left with this request held: less than nothing is too little.
        refused := case
            when b.limit_pico is not null and pico is null then 'no_price'
            when rest_tokens < 0 then 'tokens'
            when rest_pico < 0 then 'money' end;
        if refused is not null then
            scope := b.scope;
            period := b.period;
            period_start := b.period_start;
            limit_tokens := b.limit_tokens;
            left_tokens := greatest(rest_tokens + input + output, 0);
            limit_pico := b.limit_pico;
            left_pico := greatest(rest_pico + coalesce(pico, 0), 0);
            exit;
        end if;
    end loop;
    return next;
end $$;

-- Replaces a hold by what was spent. The rows of the ledger are inserted by the caller in the same transaction. Returns the budgets whose soft
-- threshold is crossed for the first time in their period.
--
-- This commit is not waited for either, so that the rows of counters, which all requests of an organisation share, are free again at once:
-- where the machine itself falls within the next moment, the hold is there again and is swept at its estimate.
create function app.settle_usage(hold uuid, started timestamptz, usr uuid, expert uuid, tokens bigint, pico bigint)
    returns table (budget_id uuid, scope text, period text, period_start date, subject uuid, limit_tokens bigint, spent_tokens bigint,
                   limit_pico bigint, spent_pico bigint)
    language plpgsql set search_path = pg_catalog
    as $$
declare
    held_tokens bigint;
    held_pico bigint;
    warned timestamptz;
    b record;
begin
    perform set_config('synchronous_commit', 'off', true);
    perform app.lock_usage(false);
    delete from public.usage_holds h where h.tenant_id = (select app.tenant_id()) and h.id = hold
        returning h.input_tokens + h.output_tokens, coalesce(h.cost_pico, 0) into held_tokens, held_pico;
    for b in select * from app.budgets_of(usr, expert, started) loop
        loop
            update public.budget_counters c
                set tokens_spent = c.tokens_spent + tokens, pico_spent = c.pico_spent + pico,
                    tokens_held = greatest(c.tokens_held - coalesce(held_tokens, 0), 0),
                    pico_held = greatest(c.pico_held - coalesce(held_pico, 0), 0)
                where c.tenant_id = (select app.tenant_id()) and c.budget_id = b.id and c.subject = b.subject and c.period_start = b.period_start
                returning c.tokens_spent, c.pico_spent, c.warned_at into spent_tokens, spent_pico, warned;
            exit when found;
            insert into public.budget_counters (budget_id, subject, period_start) values (b.id, b.subject, b.period_start) on conflict do nothing;
        end loop;
        if warned is null and not b.replaced
            and (spent_tokens::numeric * 100 >= b.limit_tokens::numeric * b.soft_percent
                 or spent_pico::numeric * 100 >= b.limit_pico::numeric * b.soft_percent) then
            update public.budget_counters c set warned_at = now()
                where c.tenant_id = (select app.tenant_id()) and c.budget_id = b.id and c.subject = b.subject and c.period_start = b.period_start;
            budget_id := b.id;
            scope := b.scope;
            period := b.period;
            period_start := b.period_start;
            subject := b.subject;
            limit_tokens := b.limit_tokens;
            limit_pico := b.limit_pico;
            return next;
        end if;
    end loop;
end $$;

-- Counts what the period under way has spent and holds already, for a budget that is new. The lock is held alone.
create function app.count_budget(budget uuid, at_time timestamptz) returns void
    language sql set search_path = pg_catalog
    as $$
    insert into public.budget_counters (budget_id, subject, period_start, tokens_spent, pico_spent, tokens_held, pico_held)
    select b.id, u.subject, app.period_start(b.period, at_time),
           coalesce(sum(u.tokens) filter (where not u.held), 0), coalesce(sum(u.pico) filter (where not u.held), 0),
           coalesce(sum(u.tokens) filter (where u.held), 0), coalesce(sum(u.pico) filter (where u.held), 0)
    from public.budgets b
    cross join lateral (
        select case when b.scope = 'every_person' then l.user_id else '00000000-0000-0000-0000-000000000000'::uuid end as subject,
               l.held, l.tokens, l.pico
        from (select l.at, l.user_id, l.expert_id, false as held, l.input_tokens + l.output_tokens as tokens, coalesce(l.cost_pico, 0) as pico
              from public.usage_ledger l where l.tenant_id = (select app.tenant_id())
              union all
              select h.at, h.user_id, h.expert_id, true, h.input_tokens + h.output_tokens, coalesce(h.cost_pico, 0)
              from public.usage_holds h where h.tenant_id = (select app.tenant_id())) l
        where l.at >= app.period_start(b.period, at_time)::timestamp at time zone 'UTC'
          and (b.scope = 'organisation' or b.scope = 'every_person' and l.user_id is not null or b.scope = 'person' and l.user_id = b.user_id
               or b.scope = 'expert' and l.expert_id = b.expert_id)) u
    where b.tenant_id = (select app.tenant_id()) and b.id = budget
    group by b.id, b.period, u.subject
    on conflict do nothing
$$;
revoke all on function app.lock_usage(boolean), app.period_start(text, timestamptz), app.budgets_of(uuid, uuid, timestamptz),
    app.reserve_usage(uuid, timestamptz, timestamptz, uuid, uuid, uuid, text, text, text, bigint, bigint, bigint),
    app.settle_usage(uuid, timestamptz, uuid, uuid, bigint, bigint), app.count_budget(uuid, timestamptz) from public;
grant execute on function app.lock_usage(boolean), app.period_start(text, timestamptz), app.budgets_of(uuid, uuid, timestamptz),
    app.reserve_usage(uuid, timestamptz, timestamptz, uuid, uuid, uuid, text, text, text, bigint, bigint, bigint),
    app.settle_usage(uuid, timestamptz, uuid, uuid, bigint, bigint), app.count_budget(uuid, timestamptz) to vital_app;
reset role;
