-- What the exchange API needs: whose a version is, by what it is found, and which requests were
-- answered. The same tables as in SQLite.

alter table record_version add column ente text collate "C";

-- CIGs, CUPs and units that a version names beside its key. Never changed, as the version.
create table version_mention (
    value text collate "C" not null,
    version bigint not null references record_version (id),
    primary key (value, version)
);

-- A request that writes, by the key of its sender.
create table exchange_request (
    client text collate "C" not null,
    key text collate "C" not null,
    digest bytea not null check (length(digest) = 32),
    began_at bigint not null,
    status bigint,
    answer text collate "C",
    primary key (client, key),
    check ((status is null) = (answer is null))
);

create index exchange_request_began on exchange_request (began_at);

-- What was stored before.
drop trigger record_version_is_append_only_u on record_version;
update record_version v set ente = case
        when r.kind = 'ente' then v.body::jsonb ->> 'codice_fiscale'
        when r.kind = 'servizio_associato' then v.body::jsonb ->> 'ente_erogatore'
        when r.kind in ('procedura', 'lotto', 'aggiudicazione', 'contratto', 'evento_esecuzione')
            then v.body::jsonb ->> 'stazione_appaltante'
        else v.body::jsonb ->> 'ente' end
  from record r where r.id = v.record;
create trigger record_version_is_append_only_u before update on record_version for each row
    execute function refuse_change('record_version is append-only');

insert into version_mention (value, version)
select distinct n.value, n.version from (
    select e.value as value, v.id as version
      from record_version v join record r on r.id = v.record and r.kind = 'lotto',
           jsonb_array_elements_text(coalesce(v.body::jsonb -> 'cup', '[]')) e (value)
    union all
    select e.value, v.id
      from record_version v join record r on r.id = v.record and r.kind = 'procedura',
           jsonb_array_elements_text(coalesce(v.body::jsonb -> 'lotti', '[]')) e (value)
    union all
    select v.body::jsonb ->> 'cup', v.id
      from record_version v join record r on r.id = v.record and r.kind in ('intervento', 'pagamento')
    union all
    select v.body::jsonb ->> 'cig', v.id
      from record_version v join record r on r.id = v.record and r.kind in ('collegamento_cup_cig', 'pagamento')
    union all
    select substr(v.body::jsonb ->> 'codice_istat', 1, 3), v.id
      from record_version v join record r on r.id = v.record and r.kind = 'ente') n
 where n.value is not null;

create index record_version_of_ente on record_version (ente, id) where ente is not null;
create trigger version_mention_is_append_only_u before update on version_mention for each row
    execute function refuse_change('version_mention is append-only');
create trigger version_mention_is_append_only_d before delete on version_mention for each row
    execute function refuse_change('version_mention is append-only');
