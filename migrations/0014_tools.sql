-- Tools that experts use: what an organisation allows, which expert may use what, what people decided about single calls, and the texts that
-- tools returned, which answers cite.
set local role vital_owner;

-- One row an organisation; no row: as at first.
create table public.tool_settings (
    tenant_id uuid not null default app.tenant_id(),
    public_sources boolean not null default false,                 -- whether words may be sent to public sources
    updated_at timestamptz not null,
    primary key (tenant_id)
);
-- Where an organisation departs from what the catalogue gives an expert.
create table public.expert_tools (
    tenant_id uuid not null default app.tenant_id(),
    expert_id uuid not null,
    tool text not null check (tool ~ '^[a-zA-Z0-9_-]{1,64}$'),
    granted boolean not null,
    updated_at timestamptz not null,
    primary key (tenant_id, expert_id, tool),
    foreign key (tenant_id, expert_id) references public.experts (tenant_id, id) on delete cascade
);
-- A call of a tool that waits for a person, and what the person decided.
create table public.tool_decisions (
    tenant_id uuid not null default app.tenant_id(),
    turn_id uuid not null,
    call integer not null check (call > 0),
    approved boolean,                                              -- null: nobody has decided
    decided_by uuid,
    asked_at timestamptz not null,
    decided_at timestamptz,
    primary key (tenant_id, turn_id, call),
    foreign key (tenant_id, turn_id) references public.turns (tenant_id, id) on delete cascade,
    check ((approved is null) = (decided_at is null))
);
-- A text that a tool returned for a turn, as it was then.
create table public.sources (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    turn_id uuid not null,
    tool text not null check (length(tool) between 1 and 64),
    version_hash bytea not null check (length(version_hash) = 32), -- keyed by nothing: SHA-256 of the text, which citations name
    content bytea not null,                                        -- sealed: title, address, identifier, text
    retrieved_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, turn_id) references public.turns (tenant_id, id) on delete cascade
);
create index sources_of_turn on public.sources (tenant_id, turn_id);
select app.fence(t) from unnest(array['public.tool_settings', 'public.expert_tools', 'public.tool_decisions', 'public.sources']::regclass[]) t;
grant select, insert, update on public.tool_settings, public.tool_decisions to vital_app;
grant select, insert, update, delete on public.expert_tools to vital_app;
grant select, insert, update, delete on public.sources to vital_app;  -- update: sealed again when a key is exchanged
select app.seal_column('public.sources', 'content');
reset role;
