-- Identity and access: second factors, API keys, invitations, groups, grants, single sign-on, break-glass.
--
-- What must be found before a tenant is known stands in `directory` (token hashes, ceremonies, issuers); everything else is fenced.
-- Functions that run with their owner's rights take the tenant from the transaction, never from an argument.
set local role vital_owner;

alter table directory.tenants
    add suspended_at timestamptz,
    add idle_s integer not null default 900 check (idle_s between 120 and 3600),
    add absolute_s integer not null default 43200 check (absolute_s between 900 and 86400),
    add require_second_factor boolean not null default false,
    add password_sign_in boolean not null default true,
    add cors_origins text[] not null default '{}' check (cardinality(cors_origins) <= 40);

alter table directory.logins
    alter column password_hash drop not null,                      -- none: single sign-on or an invitation not yet taken
    add long_password boolean not null default true;               -- whether it may stand without a second factor

alter table directory.sessions
    add proved_at timestamptz,                                     -- when a second factor was last proven
    add method text not null default 'password',
    add device text not null default '',
    add address text not null default '';

-- Secrets that are sent or shown once: API keys, invitations, password resets. Only their SHA-256 is here.
create table directory.tokens (
    token_hash bytea primary key check (length(token_hash) = 32),
    kind text not null check (kind in ('key', 'invitation', 'reset')),
    tenant uuid not null references directory.tenants on delete cascade,
    subject uuid not null,
    ends_at timestamptz,
    used_at timestamptz,
    unique (tenant, kind, subject)
);

-- Half-finished sign-ins and registrations: what the browser must answer, kept on this side.
create table directory.ceremonies (
    token_hash bytea primary key check (length(token_hash) = 32),
    kind text not null check (kind in ('second_factor', 'passkey_sign_in', 'passkey_register', 'passkey_step_up', 'oidc')),
    tenant uuid references directory.tenants on delete cascade,
    user_id uuid,
    state jsonb not null,
    attempts smallint not null default 0,
    ends_at timestamptz not null
);
create index on directory.ceremonies (ends_at);

-- Which tenants a token issuer or a passkey may lead to.
create table directory.issuers (
    issuer text not null,
    tenant uuid not null references directory.tenants on delete cascade,
    provider uuid not null,
    primary key (issuer, tenant, provider)
);
create table directory.passkeys (
    credential_id bytea primary key check (length(credential_id) between 16 and 1023),
    tenant uuid not null,
    user_id uuid not null,
    factor uuid not null,
    foreign key (tenant, user_id) references directory.logins (tenant, user_id) on delete cascade
);

grant select, insert, update, delete on directory.tokens, directory.ceremonies, directory.issuers, directory.passkeys to vital_platform;

alter table public.members
    add kind text not null default 'person' check (kind in ('person', 'service', 'operator')),
    add given_name text,
    add family_name text,
    add external_id text,
    add user_name text check (length(user_name) between 1 and 256),          -- as a directory wrote it; none: the address is the user name
    add directory_name text check (length(directory_name) between 1 and 120), -- displayName of the directory, if it has one
    add updated_at timestamptz not null default now(),
    add removed_at timestamptz,
    add last_seen_at timestamptz;
create index members_external on public.members (tenant_id, external_id);
create unique index members_user_name on public.members (tenant_id, lower(coalesce(user_name, email))) where kind = 'person' and removed_at is null;

create table public.factors (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    member_id uuid not null,
    kind text not null check (kind in ('totp', 'passkey')),
    name text not null check (length(name) between 1 and 80),
    secret bytea,                                -- totp: sealed; the key is not in the database
    passkey jsonb,                               -- passkey: public key and counter
    last_step bigint,                            -- totp: the last accepted time step, which makes a code good for once
    confirmed_at timestamptz,
    used_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, member_id) references public.members (tenant_id, id) on delete cascade,
    check ((kind = 'totp') = (secret is not null) and (kind = 'passkey') = (passkey is not null))
);
create index factors_of_member on public.factors (tenant_id, member_id);

create table public.recovery_codes (
    tenant_id uuid not null default app.tenant_id(),
    member_id uuid not null,
    code_hash bytea not null,
    created_at timestamptz not null,
    used_at timestamptz,
    primary key (tenant_id, member_id, code_hash),
    foreign key (tenant_id, member_id) references public.members (tenant_id, id) on delete cascade
);

create table public.api_keys (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    member_id uuid not null,
    name text not null check (length(name) between 1 and 80),
    prefix text not null,
    scopes text[] not null check (cardinality(scopes) >= 1),
    created_by uuid,
    created_at timestamptz not null,
    ends_at timestamptz,
    used_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, member_id) references public.members (tenant_id, id) on delete cascade
);
create index api_keys_of_member on public.api_keys (tenant_id, member_id);

create table public.invitations (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    email text not null,
    display_name text not null default '',
    roles text[] not null check (cardinality(roles) between 1 and 6),
    invited_by uuid,
    created_at timestamptz not null,
    ends_at timestamptz not null,
    accepted_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, id)
);
create index invitations_recent on public.invitations (tenant_id, created_at desc);

create table public.groups (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    name text not null check (length(name) between 1 and 120),
    external_id text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index groups_name on public.groups (tenant_id, lower(name));
create table public.group_members (
    tenant_id uuid not null default app.tenant_id(),
    group_id uuid not null,
    member_id uuid not null,
    primary key (tenant_id, group_id, member_id),
    foreign key (tenant_id, group_id) references public.groups (tenant_id, id) on delete cascade,
    foreign key (tenant_id, member_id) references public.members (tenant_id, id) on delete cascade
);
create index group_members_of_member on public.group_members (tenant_id, member_id);

-- private: its owner; group: its owner and members of the granted groups; tenant: everybody in the organisation.
alter table public.collections
    add owner_id uuid,
    add access text not null default 'tenant' check (access in ('private', 'group', 'tenant'));
alter table public.experts
    add owner_id uuid,
    add access text not null default 'tenant' check (access in ('private', 'group', 'tenant'));
create table public.collection_grants (
    tenant_id uuid not null default app.tenant_id(),
    collection_id uuid not null,
    group_id uuid not null,
    primary key (tenant_id, collection_id, group_id),
    foreign key (tenant_id, collection_id) references public.collections (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references public.groups (tenant_id, id) on delete cascade
);
create table public.expert_grants (
    tenant_id uuid not null default app.tenant_id(),
    expert_id uuid not null,
    group_id uuid not null,
    primary key (tenant_id, expert_id, group_id),
    foreign key (tenant_id, expert_id) references public.experts (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references public.groups (tenant_id, id) on delete cascade
);

create table public.sso_providers (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    kind text not null check (kind in ('oidc', 'supabase')),
    name text not null check (length(name) between 1 and 80),
    issuer text not null check (length(issuer) between 8 and 500),
    client_id text not null,                     -- supabase: the audience
    secret bytea,                                -- sealed: client secret, or the HS256 secret
    previous_secret bytea,                       -- sealed: still accepted while the HS256 secret is being rotated
    jwks_url text,                               -- supabase with asymmetric keys
    scopes text[] not null default '{}',
    role_claim text not null default '',         -- dotted path; empty: everybody gets the default roles
    role_map jsonb not null default '{}',        -- claim value -> roles
    default_roles text[] not null default '{}',  -- empty: who has no mapped role does not get in
    tenant_claim text not null default '',       -- dotted path of a claim that must name this tenant's slug; empty: not asked for
    create_members boolean not null default true,
    proves_second_factor boolean not null default false,
    emails_verified boolean not null default false,   -- it confirms every address, although its tokens do not say so
    active boolean not null default true,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id)
);
-- Who an outside identity is here. The provider is part of the key, so that two providers cannot speak for each other's subjects.
create table public.identities (
    tenant_id uuid not null default app.tenant_id(),
    provider_id uuid not null,
    subject text not null check (length(subject) between 1 and 255),
    member_id uuid not null,
    created_at timestamptz not null,
    used_at timestamptz not null,
    primary key (tenant_id, provider_id, subject),
    foreign key (tenant_id, provider_id) references public.sso_providers (tenant_id, id) on delete cascade,
    foreign key (tenant_id, member_id) references public.members (tenant_id, id) on delete cascade
);

create table public.break_glass (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    member_id uuid not null,                     -- the operator's account in this tenant
    operator text not null check (length(operator) between 1 and 120),
    reason text not null check (length(reason) between 20 and 1000),
    opened_at timestamptz not null,
    ends_at timestamptz not null,
    closed_at timestamptz,
    reviewed_by uuid,
    reviewed_at timestamptz,
    review_note text,
    primary key (tenant_id, id),
    foreign key (tenant_id, member_id) references public.members (tenant_id, id) on delete cascade,
    check ((reviewed_by is null) = (reviewed_at is null))
);

select app.fence(t) from unnest(array['public.factors', 'public.recovery_codes', 'public.api_keys', 'public.invitations', 'public.groups',
    'public.group_members', 'public.collection_grants', 'public.expert_grants', 'public.sso_providers', 'public.identities',
    'public.break_glass']::regclass[]) t;
grant select, insert, update, delete on public.factors, public.recovery_codes, public.api_keys, public.invitations, public.groups,
    public.group_members, public.collection_grants, public.expert_grants, public.sso_providers, public.identities to vital_app;
grant select, insert, update on public.break_glass to vital_app;

-- What the actor of the transaction may read. A transaction without an actor sees what everybody in the tenant sees.
create function app.visible_collections() returns setof uuid
    language sql stable
    begin atomic
    select c.id from public.collections c
    where c.tenant_id = app.tenant_id() and (c.access = 'tenant' or c.owner_id = app.actor_id() or (c.access = 'group' and exists (
        select from public.collection_grants g join public.group_members m on m.tenant_id = g.tenant_id and m.group_id = g.group_id
        where g.tenant_id = c.tenant_id and g.collection_id = c.id and m.member_id = app.actor_id())));
    end;
create function app.visible_experts() returns setof uuid
    language sql stable
    begin atomic
    select e.id from public.experts e
    where e.tenant_id = app.tenant_id() and (e.access = 'tenant' or e.owner_id = app.actor_id() or (e.access = 'group' and exists (
        select from public.expert_grants g join public.group_members m on m.tenant_id = g.tenant_id and m.group_id = g.group_id
        where g.tenant_id = e.tenant_id and g.expert_id = e.id and m.member_id = app.actor_id())));
    end;
grant execute on function app.visible_collections(), app.visible_experts() to vital_app;

-- Resolves a session token or an API key to who it is. The tenant is set from the directory row, for this one statement, so the fence
-- holds here as everywhere. `seen_at` and `used_at` are renewed at most once a minute.
drop function app.session_context(bytea, interval);
create function app.resolve(token bytea)
    returns table (tenant uuid, user_id uuid, session_id uuid, key_id uuid, roles text[], scopes text[], display_name text, email text,
                   kind text, ends_at timestamptz, proved_at timestamptz, has_factor boolean, factor_required boolean, break_glass uuid,
                   cors_origins text[])
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
declare
    s directory.sessions;
    k directory.tokens;
    t directory.tenants;
    owner uuid;
    key_scopes text[];
    until timestamptz;
begin
    select * into s from directory.sessions d where d.token_hash = token and d.ends_at > now();
    if found then
        select * into t from directory.tenants d where d.id = s.tenant and d.suspended_at is null;
        if not found or s.seen_at <= now() - make_interval(secs => t.idle_s) then return; end if;
        perform set_config('app.tenant_id', t.id::text, true);
        if s.seen_at < now() - interval '1 minute' then
            update directory.sessions d set seen_at = now() where d.token_hash = token;
            update public.members m set last_seen_at = now() where m.tenant_id = s.tenant and m.id = s.user_id;
            s.seen_at := now();
        end if;
        owner := s.user_id;
        until := least(s.ends_at, s.seen_at + make_interval(secs => t.idle_s));
    else
        select * into k from directory.tokens d where d.token_hash = token and d.kind = 'key' and (d.ends_at is null or d.ends_at > now());
        if not found then return; end if;
        select * into t from directory.tenants d where d.id = k.tenant and d.suspended_at is null;
        if not found then return; end if;
        perform set_config('app.tenant_id', t.id::text, true);
        update public.api_keys a set used_at = now()
            where a.tenant_id = t.id and a.id = k.subject and (a.used_at is null or a.used_at < now() - interval '1 minute');
        select a.member_id, a.scopes, coalesce(a.ends_at, 'infinity') into owner, key_scopes, until
            from public.api_keys a where a.tenant_id = t.id and a.id = k.subject and a.revoked_at is null;
        if not found then return; end if;
    end if;
    return query
        select t.id, owner, s.id, k.subject, m.roles, key_scopes, m.display_name, m.email, m.kind, until, s.proved_at,
               exists (select from public.factors f where f.tenant_id = t.id and f.member_id = owner and f.confirmed_at is not null),
               t.require_second_factor,
               (select b.id from public.break_glass b where b.tenant_id = t.id and b.member_id = owner and b.closed_at is null limit 1),
               t.cors_origins
        from public.members m where m.tenant_id = t.id and m.id = owner and m.active and m.removed_at is null;
end $$;

drop function app.create_login(text, uuid, text);
-- Creates the way in for a member of the transaction's tenant. E-mail addresses are unique across the installation.
create function app.create_login(login_email text, member uuid, hash text, long boolean) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    insert into directory.logins (email, tenant, user_id, password_hash, long_password, changed_at)
    values (login_email, app.tenant_id(), member, hash, long, now())
$$;
-- Sets a password. Returns false where the member has no login.
create function app.set_password(member uuid, hash text, long boolean) returns boolean
    language sql security definer set search_path = pg_catalog
    as $$
    with changed as (update directory.logins set password_hash = hash, long_password = long, changed_at = now()
        where tenant = app.tenant_id() and user_id = member returning 1)
    select exists (select from changed)
$$;
create function app.password_of(member uuid) returns table (password_hash text, long_password boolean)
    language sql stable security definer set search_path = pg_catalog
    as $$ select l.password_hash, l.long_password from directory.logins l where l.tenant = app.tenant_id() and l.user_id = member $$;
create function app.rename_login(member uuid, new_email text) returns void
    language sql security definer set search_path = pg_catalog
    as $$ update directory.logins set email = new_email where tenant = app.tenant_id() and user_id = member $$;
-- Takes the way in away: login, sessions, passkeys, open links.
create function app.remove_login(member uuid) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    delete from directory.tokens where tenant = app.tenant_id() and subject = member and kind = 'reset';
    delete from directory.logins where tenant = app.tenant_id() and user_id = member
$$;

create function app.sessions_of(member uuid)
    returns table (id uuid, created_at timestamptz, seen_at timestamptz, ends_at timestamptz, proved_at timestamptz, method text, device text, address text)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select s.id, s.created_at, s.seen_at, least(s.ends_at, s.seen_at + make_interval(secs => t.idle_s)), s.proved_at, s.method, s.device, s.address
    from directory.sessions s join directory.tenants t on t.id = s.tenant
    where s.tenant = app.tenant_id() and s.user_id = member and s.ends_at > now() and s.seen_at > now() - make_interval(secs => t.idle_s)
    order by s.seen_at desc
$$;
-- Ends sessions of a member: one, or all but one. Returns their token hashes, so that caches can forget them.
create function app.end_sessions(member uuid, only_this uuid, but_not uuid) returns setof bytea
    language sql security definer set search_path = pg_catalog
    as $$
    delete from directory.sessions where tenant = app.tenant_id() and user_id = member
        and (only_this is null or id = only_this) and (but_not is null or id <> but_not)
    returning token_hash
$$;
create function app.start_session(hash bytea, session uuid, member uuid, how text, on_device text, from_address text, proved timestamptz,
                                  until timestamptz) returns timestamptz
    language sql security definer set search_path = pg_catalog
    as $$
    insert into directory.sessions (token_hash, id, tenant, user_id, created_at, seen_at, ends_at, proved_at, method, device, address)
    select hash, session, t.id, member, now(), now(), least(now() + make_interval(secs => t.absolute_s), until), proved, how, on_device, from_address
    from directory.tenants t where t.id = app.tenant_id() and t.suspended_at is null
    returning ends_at
$$;
-- Gives a session a new token and, where a factor was just proven, its time.
create function app.rotate_session(member uuid, session uuid, hash bytea, proved timestamptz) returns bytea
    language sql security definer set search_path = pg_catalog
    as $$
    with before as (select token_hash from directory.sessions where tenant = app.tenant_id() and user_id = member and id = session for update)
    update directory.sessions s set token_hash = hash, proved_at = coalesce(proved, s.proved_at)
    from before where s.tenant = app.tenant_id() and s.user_id = member and s.id = session
    returning before.token_hash
$$;

create function app.issue_token(hash bytea, token_kind text, token_subject uuid, until timestamptz) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    insert into directory.tokens (token_hash, kind, tenant, subject, ends_at) values (hash, token_kind, app.tenant_id(), token_subject, until)
    on conflict (tenant, kind, subject) do update set token_hash = excluded.token_hash, ends_at = excluded.ends_at, used_at = null
$$;
create function app.end_token(token_kind text, token_subject uuid) returns setof bytea
    language sql security definer set search_path = pg_catalog
    as $$ delete from directory.tokens where tenant = app.tenant_id() and kind = token_kind and subject = token_subject returning token_hash $$;
create function app.register_passkey(credential bytea, member uuid, factor_id uuid) returns void
    language sql security definer set search_path = pg_catalog
    as $$ insert into directory.passkeys (credential_id, tenant, user_id, factor) values (credential, app.tenant_id(), member, factor_id) $$;
create function app.forget_passkey(factor_id uuid) returns void
    language sql security definer set search_path = pg_catalog
    as $$ delete from directory.passkeys where tenant = app.tenant_id() and factor = factor_id $$;
create function app.register_issuer(provider_id uuid, new_issuer text) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    delete from directory.issuers where tenant = app.tenant_id() and provider = provider_id;
    insert into directory.issuers (issuer, tenant, provider) select new_issuer, app.tenant_id(), provider_id where new_issuer is not null
$$;

create function app.tenant_policy()
    returns table (slug text, name text, idle_s integer, absolute_s integer, require_second_factor boolean, password_sign_in boolean, cors_origins text[])
    language sql stable security definer set search_path = pg_catalog
    as $$
    select t.slug, t.name, t.idle_s, t.absolute_s, t.require_second_factor, t.password_sign_in, t.cors_origins
    from directory.tenants t where t.id = app.tenant_id()
$$;
create function app.set_tenant_policy(idle integer, absolute integer, second_factor boolean, passwords boolean, origins text[]) returns void
    language sql security definer set search_path = pg_catalog
    as $$
    update directory.tenants set idle_s = idle, absolute_s = absolute, require_second_factor = second_factor, password_sign_in = passwords,
        cors_origins = origins where id = app.tenant_id()
$$;

grant execute on function app.create_login(text, uuid, text, boolean), app.set_password(uuid, text, boolean), app.password_of(uuid),
    app.rename_login(uuid, text), app.remove_login(uuid), app.sessions_of(uuid), app.end_sessions(uuid, uuid, uuid),
    app.start_session(bytea, uuid, uuid, text, text, text, timestamptz, timestamptz), app.rotate_session(uuid, uuid, bytea, timestamptz),
    app.issue_token(bytea, text, uuid, timestamptz), app.end_token(text, uuid), app.register_passkey(bytea, uuid, uuid),
    app.forget_passkey(uuid), app.register_issuer(uuid, text), app.tenant_policy(),
    app.set_tenant_policy(integer, integer, boolean, boolean, text[]) to vital_app;
grant execute on function app.resolve(bytea) to vital_platform;
reset role;
