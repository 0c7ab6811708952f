-- How far the readers of an e-service were told of changes through Signal Hub, and the signal under way.
create table signalling (
    eservice text not null primary key,
    told_version integer not null check (told_version >= 0),
    told_anchor blob not null check (length(told_anchor) = 4),
    -- The highest number that was ever given: no signal gets a lower one.
    last_number integer not null default 0 check (last_number >= 0),
    until_version integer check (until_version > told_version),
    until_anchor blob check (length(until_anchor) = 4),
    body text,
    attempts integer not null default 0 check (attempts >= 0),
    -- Whether the hub may have it, and nobody knows.
    in_doubt integer not null default 0 check (in_doubt in (0, 1)),
    due_at integer,
    taken_at integer,
    -- Whether the configuration still says that they are told.
    is_on integer not null default 1 check (is_on in (0, 1)),
    failed_at integer,
    failed_code text,
    check ((body is null) = (until_version is null)),
    check ((body is null) = (until_anchor is null)),
    check ((body is null) = (due_at is null)),
    check ((failed_at is null) = (failed_code is null))
);

-- How far the signals of an e-service were heard, for the system that is behind it.
create table listening (
    system text not null primary key,
    eservice text not null,
    heard integer not null default 0 check (heard >= 0),
    -- When everything that there was had been heard.
    heard_at integer,
    -- Since when something is known to have changed there that was not looked at.
    stale_since integer,
    -- When hearing last failed, and looking.
    failed_at integer,
    failed_code text,
    not_looked_at integer,
    not_looked_code text,
    check ((failed_at is null) = (failed_code is null)),
    check ((not_looked_at is null) = (not_looked_code is null))
);
