-- Model providers that an organisation sets up for itself, their models in the order in which they are used, and which expert uses which.
set local role vital_owner;

create table public.providers (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    name text not null check (length(name) between 1 and 80),
    format text not null check (format in ('openai', 'azure', 'anthropic', 'google')),
    base_url text not null check (length(base_url) between 8 and 500),
    api_key bytea,                                                 -- sealed
    key_set_at timestamptz,
    enabled boolean not null default true,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    check ((api_key is null) = (key_set_at is null))
);
create table public.models (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    provider_id uuid not null,
    name text not null check (length(name) between 1 and 200),     -- as the provider knows it; at Azure the name of the deployment
    max_output_tokens integer not null check (max_output_tokens between 1 and 1000000),
    temperature real not null check (temperature between 0 and 2),
    enabled boolean not null default true,
    position integer not null check (position >= 0),               -- among all models of the organisation
    tested_at timestamptz,
    test_state text check (test_state in ('answers', 'key_refused', 'model_unknown', 'limited', 'refused', 'not_reached', 'too_slow', 'unreadable')),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, provider_id, name),
    foreign key (tenant_id, provider_id) references public.providers (tenant_id, id) on delete cascade,
    check ((tested_at is null) = (test_state is null))
);
-- An expert's own order; an expert without a row uses that of the organisation.
create table public.expert_models (
    tenant_id uuid not null default app.tenant_id(),
    expert_id uuid not null,
    model_id uuid not null,
    position integer not null check (position >= 0),
    primary key (tenant_id, expert_id, model_id),
    foreign key (tenant_id, expert_id) references public.experts (tenant_id, id) on delete cascade,
    foreign key (tenant_id, model_id) references public.models (tenant_id, id) on delete cascade
);
create index expert_models_of_model on public.expert_models (tenant_id, model_id);
-- One row an organisation: whether the installation's own provider may write its answers, and the number of the last change of any of these
-- tables, by which every node knows that what it holds is old. No row: as at first.
create table public.provider_settings (
    tenant_id uuid not null default app.tenant_id(),
    installation_allowed boolean not null default true,
    version bigint not null default 1,
    updated_at timestamptz not null,
    primary key (tenant_id)
);
select app.fence(t) from unnest(array['public.providers', 'public.models', 'public.expert_models', 'public.provider_settings']::regclass[]) t;
grant select, insert, update, delete on public.providers, public.models, public.expert_models to vital_app;
grant select, insert, update on public.provider_settings to vital_app;
select app.seal_column('public.providers', 'api_key');
reset role;
