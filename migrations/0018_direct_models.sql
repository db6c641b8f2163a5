-- Whether programs of the organisation may send prompts of their own to its models. Off until somebody who administers it decides otherwise.
set local role vital_owner;

alter table public.provider_settings add column direct_models boolean not null default false;
reset role;
