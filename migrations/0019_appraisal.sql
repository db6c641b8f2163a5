-- What a document is worth as evidence and whether it still holds; answers that stood on one that no longer does; what people are told of it.
set local role vital_owner;

alter table public.documents
    add column level smallint check (level between 1 and 5),       -- Oxford CEBM 2011; null: not graded, because it reports no findings
    add column issued_on date,
    add column status text not null default 'current' check (status in ('current', 'superseded', 'retracted', 'withdrawn')),
    add column effective_from date,
    add column effective_until date,                               -- the first day on which it no longer holds
    add column superseded_by uuid,
    add column appraised_by uuid,                                  -- null: by the platform's rules
    add column quality jsonb,                                      -- counts, language, verdict of the reading: no words of the text
    add column origin bytea,                                       -- sealed: where the text was fetched that became this document
    add constraint documents_effective check (effective_from < effective_until),
    add constraint documents_successor check (superseded_by is null or status = 'superseded' and superseded_by <> id),
    add foreign key (tenant_id, superseded_by) references public.documents (tenant_id, id) on delete set null (superseded_by);
create index documents_succeeded on public.documents (tenant_id, superseded_by) where superseded_by is not null;
select app.seal_column('public.documents', 'origin');

-- Which turn a turn asks again.
alter table public.turns add column repeats uuid;

-- An answer stood on a document that holds no longer.
create table public.answer_marks (
    tenant_id uuid not null default app.tenant_id(),
    turn_id uuid not null,
    document_id uuid not null,
    status text not null check (status in ('superseded', 'retracted', 'withdrawn')),
    marked_at timestamptz not null,
    primary key (tenant_id, turn_id, document_id),
    foreign key (tenant_id, turn_id) references public.turns (tenant_id, id) on delete cascade,
    foreign key (tenant_id, document_id) references public.documents (tenant_id, id) on delete cascade
);
create index answer_marks_of_document on public.answer_marks (tenant_id, document_id);

-- What a person is told: so many of their answers stood on this document.
create table public.notices (
    tenant_id uuid not null default app.tenant_id(),
    id uuid not null default gen_random_uuid(),
    person_id uuid not null,
    document_id uuid not null,
    status text not null check (status in ('superseded', 'retracted', 'withdrawn')),
    answers integer not null check (answers > 0),
    created_at timestamptz not null,
    seen_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, person_id) references public.members (tenant_id, id) on delete cascade,
    foreign key (tenant_id, document_id) references public.documents (tenant_id, id) on delete cascade
);
create index notices_of_person on public.notices (tenant_id, person_id, created_at desc);
create index notices_of_document on public.notices (tenant_id, document_id);

select app.fence(t) from unnest(array['public.answer_marks', 'public.notices']::regclass[]) t;
grant select, insert, update, delete on public.answer_marks, public.notices to vital_app;
reset role;
