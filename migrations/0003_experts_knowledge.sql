-- Experts with their versions; collections, documents, passages and their vectors.
set local role vital_owner;

create table public.experts (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    slug text not null,
    version integer not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, slug)
);

create table public.expert_versions (
    tenant_id uuid not null default app.tenant_id(),
    expert_id uuid not null,
    version integer not null check (version > 0),
    content_hash bytea not null,
    body jsonb not null,
    created_at timestamptz not null,
    primary key (tenant_id, expert_id, version),
    foreign key (tenant_id, expert_id) references public.experts (tenant_id, id) on delete cascade
);

create table public.collections (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    slug text not null,
    name text not null,
    starter boolean not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, slug)
);

create table public.documents (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    collection_id uuid not null,
    slug text,                                   -- starter library only: the article it was seeded from
    title text not null,
    file_name text not null,
    format text,
    size_bytes bigint not null,
    content_hash bytea not null,                 -- SHA-256 of the bytes that came in
    version_hash bytea,                          -- SHA-256 of the canonical text: what citations name
    authority text not null,
    identifiers text[] not null default '{}',
    state text not null check (state in ('queued', 'parsing', 'indexing', 'ready', 'failed')),
    failure_code text,
    failure_detail text,
    warnings text[] not null default '{}',
    pages integer,
    passage_count integer not null default 0,
    embedded_count integer not null default 0,
    uploaded_by uuid,
    created_at timestamptz not null,
    ready_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, slug),
    foreign key (tenant_id, collection_id) references public.collections (tenant_id, id)
);
create unique index documents_once on public.documents (tenant_id, collection_id, content_hash);
create index documents_recent on public.documents (tenant_id, created_at desc);

create table public.document_files (
    tenant_id uuid not null default app.tenant_id(),
    document_id uuid not null,
    bytes bytea not null,
    primary key (tenant_id, document_id),
    foreign key (tenant_id, document_id) references public.documents (tenant_id, id) on delete cascade
);
alter table public.document_files alter column bytes set storage external;

create table public.document_texts (
    tenant_id uuid not null default app.tenant_id(),
    document_id uuid not null,
    text text not null,
    blocks jsonb not null,
    primary key (tenant_id, document_id),
    foreign key (tenant_id, document_id) references public.documents (tenant_id, id) on delete cascade
);

create table public.passages (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null,
    document_id uuid not null,
    ordinal integer not null,
    start_byte integer not null,
    end_byte integer not null check (end_byte > start_byte),
    page integer,
    heading_path text[] not null,
    body text not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, document_id) references public.documents (tenant_id, id) on delete cascade
);
create index passages_of_document on public.passages (tenant_id, document_id, ordinal);

create table public.passage_embeddings (
    tenant_id uuid not null default app.tenant_id(),
    passage_id uuid not null,
    document_id uuid not null,
    model text not null,
    embedding vector(384) not null,
    primary key (tenant_id, passage_id),
    foreign key (tenant_id, passage_id) references public.passages (tenant_id, id) on delete cascade,
    foreign key (tenant_id, document_id) references public.documents (tenant_id, id) on delete cascade
);
alter table public.passage_embeddings alter column embedding set storage plain;
create index passage_embeddings_of_document on public.passage_embeddings (tenant_id, document_id);
create index passage_embeddings_near on public.passage_embeddings using hnsw (embedding vector_ip_ops);

select app.fence(t) from unnest(array['public.experts', 'public.expert_versions', 'public.collections', 'public.documents',
    'public.document_files', 'public.document_texts', 'public.passages', 'public.passage_embeddings']::regclass[]) t;
grant select, insert, update, delete on public.experts, public.expert_versions, public.collections, public.documents,
    public.document_files, public.document_texts, public.passages, public.passage_embeddings to vital_app;
reset role;
