-- A second login of each runtime role, so that their passwords can be exchanged while servers run: one pair is in use, the other idle.
-- Roles belong to the whole cluster, so every statement about them is repeatable.
--
-- vital_app_b, vital_platform_b   have the rights of `vital_app` and `vital_platform` by inheritance and none of their own. They cannot log in
--                                 until `vital keys rotate database` lets them.
do $$ begin
    create role vital_app_b nologin nosuperuser nocreatedb nocreaterole nobypassrls inherit;
exception when duplicate_object then null; end $$;
do $$ begin
    create role vital_platform_b nologin nosuperuser nocreatedb nocreaterole nobypassrls inherit;
exception when duplicate_object then null; end $$;

-- The rights of the group, but neither its name (`set role`) nor a say in who else belongs to it.
do $$ declare pair text[]; begin
    foreach pair slice 1 in array array[['vital_app', 'vital_app_b'], ['vital_platform', 'vital_platform_b']] loop
        if not exists (select from pg_auth_members where roleid = pair[1]::regrole and member = pair[2]::regrole) then
            execute format('grant %I to %I with admin false, inherit true, set false', pair[1], pair[2]);
        end if;
    end loop;
end $$;
