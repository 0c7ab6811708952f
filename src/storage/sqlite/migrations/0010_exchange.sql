-- What the exchange API needs: whose a version is, by what it is found, and which requests were
-- answered.

alter table record_version add column ente text;

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

-- What was stored before.
drop trigger record_version_is_append_only_u;
update record_version set ente = (
    select case
        when r.kind = 'ente' then json_extract(record_version.body, '$.codice_fiscale')
        when r.kind = 'servizio_associato' then json_extract(record_version.body, '$.ente_erogatore')
        when r.kind in ('procedura', 'lotto', 'aggiudicazione', 'contratto', 'evento_esecuzione')
            then json_extract(record_version.body, '$.stazione_appaltante')
        else json_extract(record_version.body, '$.ente') end
      from record r where r.id = record_version.record);
create trigger record_version_is_append_only_u before update on record_version
begin select raise(abort, 'record_version is append-only'); end;

insert into version_mention (value, version)
select distinct n.value, n.version from (
    select e.value as value, v.id as version
      from record_version v join record r on r.id = v.record and r.kind = 'lotto', json_each(v.body, '$.cup') e
    union all
    select e.value, v.id
      from record_version v join record r on r.id = v.record and r.kind = 'procedura', json_each(v.body, '$.lotti') e
    union all
    select json_extract(v.body, '$.cup'), v.id
      from record_version v join record r on r.id = v.record and r.kind in ('intervento', 'pagamento')
    union all
    select json_extract(v.body, '$.cig'), v.id
      from record_version v join record r on r.id = v.record and r.kind in ('collegamento_cup_cig', 'pagamento')
    union all
    select substr(json_extract(v.body, '$.codice_istat'), 1, 3), v.id
      from record_version v join record r on r.id = v.record and r.kind = 'ente') n
 where n.value is not null;

create index record_version_of_ente on record_version (ente, id) where ente is not null;
create trigger version_mention_is_append_only_u before update on version_mention
begin select raise(abort, 'version_mention is append-only'); end;
create trigger version_mention_is_append_only_d before delete on version_mention
begin select raise(abort, 'version_mention is append-only'); end;
