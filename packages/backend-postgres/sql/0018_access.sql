-- What belongs to the deployment as a whole: signing keys, API tokens, namespaces that were put, and the audit log.

-- Never deleted: an id is used once for ever. The secret is in no table.
create table signing_key (
  id text collate "C" primary key,
  fingerprint text not null,
  signs_from bigint not null,
  retired_at bigint,
  verifies_until bigint
);

create table api_token (
  id uuid primary key,
  hash text not null,
  label text not null,
  scopes text[] not null,
  namespaces text[],                  -- null: all
  lanes text[],                       -- null: all
  created_at bigint not null,
  expires_at bigint,
  revoked_at bigint
);
-- When it ended, or is going to: the least of those that are there.
create index api_token_over on api_token (least(expires_at, revoked_at)) where expires_at is not null or revoked_at is not null;

create table namespace (
  name text collate "C" primary key,
  label text not null,
  accepting boolean not null
);

create table audit_entry (
  action_id uuid primary key,
  at bigint not null,
  namespace text,                     -- null: the whole deployment
  actor text not null,
  action text not null,
  subjects text[] not null,
  reason text,
  outcome text                        -- null: not known yet
);
create index audit_entry_listing on audit_entry (at, action_id);

-- Whether anything of this is past its retention.
create function deployment_records_over(p_now bigint, p_token_kept bigint, p_audit_age bigint) returns boolean
language sql stable set search_path from current set enable_seqscan = off
return coalesce(p_now >= least(
  (select least(t.expires_at, t.revoked_at) from api_token t where t.expires_at is not null or t.revoked_at is not null
    order by least(t.expires_at, t.revoked_at) limit 1) + p_token_kept,
  (select a.at from audit_entry a order by a.at limit 1) + p_audit_age), false);
