-- Lasting access that an operator gave is a finding of the weekly review: one more kind of finding, next to openings of an organisation.
set local role vital_owner;
alter table public.review_findings drop constraint review_findings_kind_check;
alter table public.review_findings add constraint review_findings_kind_check
    check (kind in ('break_glass', 'operator_grant', 'export', 'bulk_read', 'unusual_volume', 'off_hours', 'sign_in_spray', 'admin_granted'));
reset role;
