-- Conversations, turns, their durable events and the citations of their answers.
set local role vital_owner;

create table public.conversations (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    owner_id uuid not null,
    title text not null,
    expert_id uuid,                              -- null: the platform chooses for each question
    turn_count integer not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, owner_id) references public.members (tenant_id, id),
    foreign key (tenant_id, expert_id) references public.experts (tenant_id, id)
);
create index conversations_recent on public.conversations (tenant_id, owner_id, updated_at desc);

create table public.turns (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    conversation_id uuid not null,
    ordinal integer not null,
    question text not null,
    expert_id uuid,
    expert_version integer,
    composer text,
    state text not null check (state in ('running', 'answered', 'no_evidence', 'stopped', 'failed', 'interrupted')),
    answer jsonb,
    created_at timestamptz not null,
    finished_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, conversation_id, ordinal),
    foreign key (tenant_id, conversation_id) references public.conversations (tenant_id, id) on delete cascade,
    foreign key (tenant_id, expert_id, expert_version) references public.expert_versions (tenant_id, expert_id, version)
);

create table public.turn_events (
    tenant_id uuid not null default app.tenant_id(),
    turn_id uuid not null,
    seq integer not null check (seq > 0),
    kind text not null,
    payload jsonb not null,
    at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, turn_id, seq),
    foreign key (tenant_id, turn_id) references public.turns (tenant_id, id) on delete cascade
);

create table public.citations (
    tenant_id uuid not null default app.tenant_id(),
    turn_id uuid not null,
    n integer not null check (n > 0),
    sentence integer not null,
    document_id uuid not null,                   -- no foreign key: the record of an answer outlives a deleted document
    version_hash bytea not null,
    start_byte integer not null,
    end_byte integer not null check (end_byte > start_byte),
    primary key (tenant_id, turn_id, n, sentence, start_byte),
    foreign key (tenant_id, turn_id) references public.turns (tenant_id, id) on delete cascade
);
create index citations_of_document on public.citations (tenant_id, document_id);

select app.fence(t) from unnest(array['public.conversations', 'public.turns', 'public.turn_events', 'public.citations']::regclass[]) t;
grant select, insert, update, delete on public.conversations, public.turns, public.turn_events, public.citations to vital_app;
reset role;
