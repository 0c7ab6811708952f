-- The ledger: what was read, every version of it, what each target should hold, the work that
-- remains, and the chain that proves nothing was changed afterwards.
--
-- Instants are microseconds since 1970, UTC. Days are texts, YYYY-MM-DD. Ids are given by the one
-- writer in ascending order. No table with big rows is without rowid.

-- Which start of the program this is: the upper half of every lease token.
create table program (
    only integer primary key check (only = 1),
    starts integer not null
);
insert into program (only, starts) values (1, 0);

-- A run: one act of reading. A run that is finished balances.
create table run (
    id integer primary key,
    kind text not null check (kind in ('import', 'sync')),
    source text not null,
    started_at integer not null,
    finished_at integer,
    read integer not null default 0 check (read >= 0),
    new integer not null default 0 check (new >= 0),
    unchanged integer not null default 0 check (unchanged >= 0),
    quarantined integer not null default 0 check (quarantined >= 0),
    refused integer not null default 0 check (refused >= 0),
    check (finished_at is null or read = new + unchanged + quarantined + refused)
);
create index run_of_source on run (source, id);
create trigger run_is_closed_once before update on run when old.finished_at is not null
begin select raise(abort, 'a finished run never changes'); end;

-- A document: the same bytes from the same source are one document.
create table source_document (
    id integer primary key,
    run integer not null references run (id),
    source text not null,
    digest text not null,
    remote_id text not null,
    format text not null,
    version text not null,
    as_of text,
    context text not null,
    arrived_at integer not null,
    unique (source, digest)
);
create trigger source_document_is_append_only_u before update on source_document
begin select raise(abort, 'source_document is append-only'); end;
create trigger source_document_is_append_only_d before delete on source_document
begin select raise(abort, 'source_document is append-only'); end;

-- A document that was refused whole.
create table refused_document (
    id integer primary key,
    run integer not null references run (id),
    source text not null,
    remote_id text not null,
    code text not null,
    message text not null,
    line integer,
    refused_at integer not null
);
create trigger refused_document_is_append_only_u before update on refused_document
begin select raise(abort, 'refused_document is append-only'); end;
create trigger refused_document_is_append_only_d before delete on refused_document
begin select raise(abort, 'refused_document is append-only'); end;

-- A raw record as received, kept when it gave a version or stands aside. Several may begin on the
-- same line of a document written on one line: a fingerprint of the text tells them apart.
create table raw_record (
    id integer primary key,
    document integer not null references source_document (id),
    line integer not null,
    fingerprint blob not null check (length(fingerprint) = 16),
    occurrence integer not null,
    text text not null,
    unique (document, line, fingerprint)
);
create trigger raw_record_is_append_only_u before update on raw_record
begin select raise(abort, 'raw_record is append-only'); end;
create trigger raw_record_is_append_only_d before delete on raw_record
begin select raise(abort, 'raw_record is append-only'); end;

-- What a source says about one thing today. The place is the one of the latest document that said
-- it, which is not always the one that gave the version.
create table record (
    id integer primary key,
    kind text not null,
    key text not null,
    source text not null,
    version integer not null check (version >= 1),
    digest blob not null check (length(digest) = 32),
    as_of text,
    document integer not null,
    line integer not null,
    occurrence integer not null,
    -- Who is believed when several sources speak of one thing: the smallest.
    rank integer not null,
    unique (key, kind, source)
);
create index record_adesione on record (key, rank, source) where kind = 'adesione';

-- Every version of it.
create table record_version (
    id integer primary key,
    record integer not null references record (id),
    number integer not null check (number >= 1),
    run integer not null references run (id),
    raw_record integer not null references raw_record (id),
    digest blob not null check (length(digest) = 32),
    stored_at integer not null,
    schema_version integer not null,
    body text not null,
    provenance text not null,
    findings text,
    ente text,
    unique (record, number)
);
create index record_version_of_ente on record_version (ente, id) where ente is not null;
create index record_version_with_findings on record_version (record, number) where findings is not null;
create trigger record_version_is_append_only_u before update on record_version
begin select raise(abort, 'record_version is append-only'); end;
create trigger record_version_is_append_only_d before delete on record_version
begin select raise(abort, 'record_version is append-only'); end;

-- Of which lots a record speaks whose key does not begin with a CIG: payments, links, procedures.
create table record_lot (
    cig text not null,
    record integer not null references record (id),
    primary key (cig, record)
) without rowid;
create index record_lot_of on record_lot (record);

-- Of which bodies a source has spoken, and in which kinds.
create table spoken_of (
    source text not null,
    kind text not null,
    ente text not null,
    primary key (source, kind, ente)
) without rowid;

-- Where a document says again what it has said on another line.
create table record_repeated (
    record integer not null references record (id),
    document integer not null,
    line integer not null,
    primary key (record, document, line)
) without rowid;

-- By which targets and rules the standing records were last routed: one row.
create table routing (
    id integer primary key check (id = 1),
    routing text not null,
    at integer not null
);

-- Records that a target takes in general and not in this case.
create table withheld (
    record integer not null references record (id),
    target text not null,
    code text not null,
    primary key (record, target)
) without rowid;

-- One unit of one target: what it should hold, what it holds, and what stands between the two.
create table delivery (
    id integer primary key,
    target text not null,
    unit_key text not null,
    lane text not null,
    desired_revision integer not null check (desired_revision >= 1),
    held_revision integer not null default 0 check (held_revision between 0 and desired_revision),
    state text not null
        check (state in ('due', 'sent', 'acknowledged', 'refused', 'in_doubt', 'retry', 'submitted', 'held',
                         'parked')),
    code text,
    message text,
    not_before integer,
    state_since integer not null,
    due_at integer not null,
    unique (target, unit_key),
    check ((state in ('retry', 'in_doubt', 'submitted', 'held')) = (not_before is not null)),
    -- A parked delivery has a code when an attempt may have arrived.
    check (state = 'parked'
           or (state in ('retry', 'in_doubt', 'submitted', 'held', 'refused')) = (code is not null)),
    check ((state in ('parked', 'held', 'refused')) = (message is not null))
);
create index delivery_by_state on delivery (state, target, state_since);
-- Work that is owed: few, among all that was ever delivered.
create index delivery_open on delivery (id) where state in ('due', 'sent', 'in_doubt', 'retry');
-- Those that wait for somebody else have no job: they are woken by time, or by their lane.
create index delivery_waiting on delivery (not_before) where state in ('submitted', 'held');
create index delivery_held on delivery (target, lane) where state = 'held';
create index delivery_of_lane on delivery (target, lane);

-- Records that may take a seat which another source has left: to be routed again.
create table to_route (
    record integer primary key references record (id)
);

-- Which records make up a unit. A record is in at most one unit of each target.
create table delivery_member (
    record integer not null references record (id),
    target text not null,
    delivery integer not null references delivery (id),
    primary key (record, target)
) without rowid;
create index delivery_member_of on delivery_member (delivery, record);

-- The exact bytes of a revision, stored before they are sent.
create table shipment (
    id integer primary key,
    delivery integer not null references delivery (id),
    revision integer not null check (revision >= 1),
    idempotency_key text not null,
    digest blob not null check (length(digest) = 32),
    body blob not null,
    stored_at integer not null,
    unique (delivery, revision)
);
create trigger shipment_is_append_only_u before update on shipment
begin select raise(abort, 'shipment is append-only'); end;
create trigger shipment_is_append_only_d before delete on shipment
begin select raise(abort, 'shipment is append-only'); end;

-- One attempt to send a shipment; its outcome is written once.
create table attempt (
    id integer primary key,
    delivery integer not null references delivery (id),
    shipment integer not null references shipment (id),
    job integer not null,
    token integer not null,
    started_at integer not null,
    finished_at integer,
    outcome text check (outcome in ('acknowledged', 'refused', 'in_doubt', 'retry', 'submitted', 'parked')),
    code text,
    message text,
    not_before integer,
    check ((finished_at is null) = (outcome is null))
);
create index attempt_of on attempt (delivery, id);
create index attempt_of_shipment on attempt (shipment, id);
create trigger attempt_ends_once before update on attempt when old.finished_at is not null
begin select raise(abort, 'the outcome of an attempt never changes'); end;
create trigger attempt_is_append_only before delete on attempt
begin select raise(abort, 'attempt is append-only'); end;

-- Proof that a target took a revision.
create table receipt (
    id integer primary key,
    delivery integer not null references delivery (id),
    revision integer not null,
    attempt integer references attempt (id),
    remote_id text,
    status integer not null,
    answer_digest text not null,
    -- What the target remarked: a JSON list of texts.
    warnings text not null,
    received_at integer not null
);
create index receipt_of on receipt (delivery, id);
create trigger receipt_is_append_only_u before update on receipt
begin select raise(abort, 'receipt is append-only'); end;
create trigger receipt_is_append_only_d before delete on receipt
begin select raise(abort, 'receipt is append-only'); end;

-- Raw records that stand aside. One that is understood later is resolved, not removed.
create table quarantine (
    id integer primary key,
    raw_record integer not null unique references raw_record (id),
    document integer not null references source_document (id),
    rule text not null,
    reason text not null,
    since integer not null,
    resolved_at integer
);
create index quarantine_open on quarantine (document) where resolved_at is null;

-- Work. A job with a lane is blocked, behind others, until it is the oldest open one of its lane;
-- then it holds the lane until it ends. One job at most waits for a delivery.
--
-- Every update of a job looks at every index whose columns or condition it touches, so flags (one
-- or null) stand in the conditions where the state would make every index take part in every step.
-- What a finished job leaves behind is in no index that a claim or an ending touches: the queue is
-- as fast with many finished rows as with none.
create table job (
    id integer primary key,
    run_at integer not null,
    state text not null,
    attempts integer not null default 0,
    token integer,
    lease_until integer,
    ended_at integer,
    holds integer,
    behind integer,
    waits integer,
    delivery integer references delivery (id),
    number integer,
    lane text,
    check ((delivery is null) <> (number is null)),
    check (case state
        when 'leased' then token is not null and lease_until is not null and (holds is null) = (lane is null)
        when 'done' then token is null and holds is null and ended_at is not null
        when 'ready' then token is null and (holds is null) = (lane is null) and (waits is null) = (delivery is null)
        when 'blocked' then token is null and behind = 1 and lane is not null and (waits is null) = (delivery is null)
        when 'parked' then token is null and holds is null and ended_at is not null
        else false end)
);
create index job_ready on job (run_at, id) where state = 'ready';
create index job_leased on job (lease_until) where state = 'leased';
create index job_behind on job (lane, id) where behind = 1;
create index job_of on job (delivery) where delivery is not null;
create unique index job_lane on job (lane) where holds = 1;
create unique index job_waiting on job (delivery) where waits = 1;

-- What only one process does at a time, and until when somebody has it.
create table turn (
    name text primary key,
    token integer not null,
    free_at integer not null
);

-- Where the last complete read of a source ended.
create table source_cursor (
    source text primary key,
    cursor text not null,
    saved_at integer not null
);

-- A run of a comparison: of a target, or of all sources. Of each comparison one at most is under way.
create table comparison_run (
    id integer primary key,
    comparison text not null,
    started_at integer not null,
    heard_at integer not null,
    finished_at integer,
    progress text,
    complete integer not null default 0 check (complete in (0, 1)),
    incomplete_because text,
    -- The list in a file that it rested on, by its digest and moment.
    evidence text,
    expected integer not null default 0,
    observed integer not null default 0,
    equal integer not null default 0,
    different integer not null default 0,
    explained integer not null default 0,
    missing_there integer not null default 0,
    missing_here integer not null default 0,
    on_its_way integer not null default 0,
    stopped integer not null default 0,
    not_read integer not null default 0,
    opened integer not null default 0,
    reopened integer not null default 0,
    changed integer not null default 0,
    closed integer not null default 0,
    seen integer not null default 0,
    open_items integer not null default 0,
    explained_items integer not null default 0,
    accepted_items integer not null default 0,
    check (finished_at is not null or complete = 0)
);
create index comparison_run_of on comparison_run (comparison, id);
create unique index comparison_run_under_way on comparison_run (comparison) where finished_at is null;
create trigger comparison_run_is_closed_once before update on comparison_run when old.finished_at is not null
begin select raise(abort, 'a finished comparison never changes'); end;

-- A discrepancy over all runs that saw it. Severity: 0 info, 1 warning, 2 error.
create table discrepancy (
    id integer primary key,
    identity blob not null unique check (length(identity) = 32),
    comparison text not null,
    unit_key text not null,
    row_key text not null,
    field text,
    rule text not null,
    severity integer not null check (severity between 0 and 2),
    shape text not null check (shape in ('missing_there', 'missing_here', 'differs', 'breaks')),
    against text not null,
    cause text,
    sides text not null,
    at_stake integer,
    body text,
    deadline text,
    act text not null,
    content blob not null check (length(content) = 32),
    state text not null check (state in ('open', 'explained', 'accepted', 'closed')),
    accepted_until text,
    first_seen integer not null,
    last_seen integer not null,
    changed_at integer not null,
    opened_at integer not null,
    reopened integer not null check (reopened >= 0),
    office text,
    escalated_at integer,
    -- Who asked for the repair that waits for a second person.
    repair_by text,
    first_run integer not null references comparison_run (id),
    last_run integer not null references comparison_run (id),
    check (state <> 'explained' or cause is not null),
    check (state <> 'open' or cause is null),
    check (state = 'accepted' or accepted_until is null),
    check (first_run <= last_run and first_seen <= last_seen)
);
-- Everything that a list of groups or a filter needs stands here: the table itself is not read. What is
-- closed has its own, so that a history of years does not stand in the way of what is open.
create index discrepancy_group on discrepancy
    (comparison, rule, cause, field, against, shape, severity, state, first_run, at_stake, first_seen, deadline, body,
     office, opened_at, escalated_at, repair_by)
    where state <> 'closed';
create index discrepancy_group_closed on discrepancy
    (comparison, rule, cause, field, against, shape, severity, state, first_run, at_stake, first_seen, deadline, body,
     office, opened_at, escalated_at, repair_by)
    where state = 'closed';
-- In the order of their numbers, page by page.
create index discrepancy_standing on discrepancy (id) where state <> 'closed';
create index discrepancy_closed on discrepancy (id) where state = 'closed';

-- A unit, and any text in a unit or a row.
create index discrepancy_of_unit on discrepancy (comparison, unit_key, row_key, state);

-- What the target was not seen to hold: missing only when its side was read to the end.
create table held_back (
    id integer primary key,
    run integer not null references comparison_run (id),
    discrepancy text not null
);
create index held_back_of on held_back (run, id);

-- What happened to it, and when a person did it, who and why.
create table discrepancy_event (
    id integer primary key,
    discrepancy integer not null references discrepancy (id),
    at integer not null,
    kind text not null,
    run integer references comparison_run (id),
    who text,
    reason text,
    detail text,
    check ((run is null) <> (who is null))
);
create index discrepancy_event_of on discrepancy_event (discrepancy, id);
create trigger discrepancy_event_is_append_only_u before update on discrepancy_event
begin select raise(abort, 'discrepancy_event is append-only'); end;
create trigger discrepancy_event_is_append_only_d before delete on discrepancy_event
begin select raise(abort, 'discrepancy_event is append-only'); end;

-- A repair that was decided and has not ended: whoever dies in between, the next one takes it up.
create table begun_repair (
    discrepancy integer primary key references discrepancy (id),
    at integer not null,
    who text not null,
    reason text not null
);

-- A period that somebody signed off, with what stood open then.
create table sign_off (
    id integer primary key,
    period text not null,
    at integer not null,
    who text not null,
    reason text not null,
    open_items integer not null,
    explained_items integer not null,
    accepted_items integer not null
);
create trigger sign_off_is_append_only_u before update on sign_off
begin select raise(abort, 'sign_off is append-only'); end;
create trigger sign_off_is_append_only_d before delete on sign_off
begin select raise(abort, 'sign_off is append-only'); end;

-- The chain: each entry holds the hash of the one before it. Numbers have no gaps.
create table audit (
    seq integer primary key,
    at integer not null,
    kind text not null,
    subject text not null,
    detail text not null,
    previous blob not null check (length(previous) = 32),
    hash blob not null check (length(hash) = 32)
);
create trigger audit_is_append_only_u before update on audit
begin select raise(abort, 'audit is append-only'); end;
create trigger audit_is_append_only_d before delete on audit
begin select raise(abort, 'audit is append-only'); end;

-- What a person took off the list of what waits. Nothing else of it changes; the chain holds the
-- same entry. The revision is that of a delivery: the next one is another matter.
create table discarded (
    what text not null check (what in ('delivery', 'record', 'document')),
    number integer not null,
    revision integer not null,
    at integer not null,
    who text not null,
    reason text not null,
    primary key (what, number)
);

-- Whether a document that was refused has been read, or refused for another reason, since.
create index source_document_by_name on source_document (source, remote_id, run);
create index refused_document_by_name on refused_document (source, remote_id, id);

-- CIGs, CUPs and units that a version names beside its key. Never changed, as the version.
create table version_mention (
    value text not null,
    version integer not null references record_version (id),
    primary key (value, version)
) without rowid;

-- A request that writes, by the key of its sender.
create table exchange_request (
    client text not null,
    key text not null,
    digest blob not null check (length(digest) = 32),
    began_at integer not null,
    status integer,
    answer text,
    primary key (client, key),
    check ((status is null) = (answer is null))
) without rowid;

create index exchange_request_began on exchange_request (began_at);

-- How far each partner was told that there are changes for him, and the message under way.
create table webhook (
    partner text not null primary key,
    told_version integer not null check (told_version >= 0),
    told_anchor blob not null check (length(told_anchor) = 4),
    message text,
    until_version integer check (until_version > 0),
    until_anchor blob check (length(until_anchor) = 4),
    body text,
    made_at integer,
    attempts integer not null default 0 check (attempts >= 0),
    due_at integer,
    taken_at integer,
    failed_at integer,
    failed_code text,
    stopped_at integer,
    stopped_why text check (stopped_why in ('gone', 'silent')),
    check ((message is null) = (until_version is null)),
    check ((message is null) = (until_anchor is null)),
    check ((message is null) = (body is null)),
    check ((message is null) = (made_at is null)),
    check ((message is null) = (due_at is null)),
    check ((failed_at is null) = (failed_code is null)),
    check ((stopped_at is null) = (stopped_why is null)),
    check (stopped_at is null or message is not null)
) without rowid;

-- How many calls of a day were made with a voucher and ended alike, for the tracing file of that day;
-- and the last batch of counts of each process, which counts once.
create table call_count (
    day text not null check (length(day) = 10),
    purpose_id text not null check (length(purpose_id) = 36),
    token_id text not null check (length(token_id) = 36),
    status integer not null check (status between 100 and 599),
    requests integer not null check (requests > 0),
    primary key (day, purpose_id, token_id, status)
) without rowid;
create table call_batch (
    process text not null primary key,
    number integer not null check (number > 0),
    made_on text not null check (length(made_on) = 10)
) without rowid;

-- Exports that are made while nobody waits, and the bytes of each.
create table export_task (
    id text not null primary key,
    partner text not null,
    request text not null,
    correlation text not null,
    reply_to text,
    seen text not null,
    feed_cursor text not null,
    state text not null check (state in ('processing', 'done', 'failed')),
    made_at integer not null,
    ended_at integer,
    failed_code text,
    after_version integer not null check (after_version >= 0),
    after_anchor blob not null check (length(after_anchor) = 4),
    bytes integer not null default 0 check (bytes >= 0),
    reply_attempts integer not null default 0 check (reply_attempts >= 0),
    reply_due_at integer,
    check ((state = 'processing') = (ended_at is null)),
    check ((state = 'failed') = (failed_code is not null)),
    check (reply_due_at is null or (reply_to is not null and ended_at is not null))
);
create table export_piece (
    task text not null references export_task (id),
    begins integer not null check (begins >= 0),
    bytes blob not null check (length(bytes) > 0),
    primary key (task, begins)
);

create trigger version_mention_is_append_only_u before update on version_mention
begin select raise(abort, 'version_mention is append-only'); end;
create trigger version_mention_is_append_only_d before delete on version_mention
begin select raise(abort, 'version_mention is append-only'); end;
