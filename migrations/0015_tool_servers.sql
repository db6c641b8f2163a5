-- Tool servers that an organisation connects, and what their tools are: as last told and as approved.
set local role vital_owner;

create table public.tool_servers (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    slug text not null check (slug ~ '^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$'),  -- stands before the names of its tools; never changes
    name text not null check (length(name) between 1 and 80),
    address text not null check (length(address) between 8 and 500),
    auth text not null check (auth in ('none', 'bearer', 'header')),
    auth_header text check (length(auth_header) between 1 and 64),             -- the header that the secret goes in
    secret bytea,                                                              -- sealed
    secret_set_at timestamptz,
    enabled boolean not null default true,
    read_at timestamptz,                                                       -- when it last told its tools
    checked_at timestamptz,
    check_state text check (check_state in ('answers', 'key_refused', 'not_there', 'not_reached', 'too_slow', 'too_large', 'unreadable', 'version', 'limited', 'refused')),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, slug),
    check ((secret is null) = (secret_set_at is null)),
    check ((auth = 'header') = (auth_header is not null)),
    check ((checked_at is null) = (check_state is null))
);
create table public.tool_server_tools (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    server_id uuid not null,
    name text not null check (name ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$'),   -- as the server knows it
    definition bytea,                                                          -- sealed; as last told, null where it is told no more
    digest bytea check (length(digest) = 32),
    approved_definition bytea,                                                 -- sealed
    approved_digest bytea check (length(approved_digest) = 32),
    approved_at timestamptz,
    writes boolean not null default true,                                      -- needs a person for every call
    primary key (tenant_id, id),
    unique (tenant_id, server_id, name),
    foreign key (tenant_id, server_id) references public.tool_servers (tenant_id, id) on delete cascade,
    check ((definition is null) = (digest is null)),
    check ((approved_definition is null) = (approved_digest is null)),
    check ((approved_digest is null) = (approved_at is null)),
    check (approved_digest is not null or writes),
    check (digest is not null or approved_digest is not null)
);
select app.fence(t) from unnest(array['public.tool_servers', 'public.tool_server_tools']::regclass[]) t;
grant select, insert, update, delete on public.tool_servers, public.tool_server_tools to vital_app;
select app.seal_column('public.tool_servers', 'secret');
select app.seal_column('public.tool_server_tools', 'definition');
select app.seal_column('public.tool_server_tools', 'approved_definition');
reset role;
