-- How often the program was started. The upper half of a token is the start of whoever claimed, so
-- that a lease says whose it is; every token of before is lower.
alter table program add column starts bigint not null default 0;
drop sequence job_token;
