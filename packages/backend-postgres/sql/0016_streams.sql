-- Frames that running attempts emit. What becomes of each is decided by the caller (`judgeFrames` in core); here it is
-- written, if the head is still the one by which it was decided.

-- What is kept of an attempt's stream beside its frames. `next_number` and `written_at` tell one head from another.
create table stream (
  partition_key integer not null,
  execution_id uuid not null,
  attempt_index integer not null,
  next_number integer not null,
  epoch bigint not null,              -- the lease under which the last frame came,
  lease_base integer not null,        -- and the number that its first one got
  durable_frames integer not null,
  durable_bytes bigint not null,
  capped_frames integer not null,     -- of the other modes, as many as are kept
  capped_bytes bigint not null,
  patch_count integer not null,
  patched_at bigint,
  written_at bigint not null,
  primary key (execution_id, attempt_index, partition_key)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- The document that an attempt's patches made, JSON as text.
create table stream_summary (
  partition_key integer not null,
  execution_id uuid not null,
  attempt_index integer not null,
  document bytea not null,
  primary key (execution_id, attempt_index, partition_key)
);

create table stream_frame (
  partition_key integer not null,
  execution_id uuid not null,
  attempt_index integer not null,
  frame_number integer not null,
  mode text not null check (mode in ('durable', 'summary', 'best_effort')),
  type text,
  frame bytea not null,
  appended_at bigint not null,
  primary key (execution_id, attempt_index, frame_number, partition_key)
);
-- What goes when others come, the oldest first.
create index stream_frame_capped on stream_frame (execution_id, attempt_index, frame_number) where mode <> 'durable';

-- Drops capped frames of an attempt, the oldest first, until what is left is within the bounds. Answers how many are left, and
-- their bytes.
create function trim_capped_frames(p_partition integer, p_id uuid, p_attempt integer, inout p_frames integer, inout p_bytes bigint,
  p_frames_max integer, p_bytes_max bigint, p_since bigint)
language plpgsql set search_path from current as $$
#variable_conflict use_column
declare
  v_oldest record;
  v_gone integer[] := '{}';
begin
  for v_oldest in
    select f.frame_number, octet_length(f.frame) as bytes, f.appended_at from stream_frame f
    where f.partition_key = p_partition and f.execution_id = p_id and f.attempt_index = p_attempt and f.mode <> 'durable'
    order by f.frame_number
  loop
    exit when p_frames <= p_frames_max and p_bytes <= p_bytes_max and v_oldest.appended_at >= p_since;
    v_gone := v_gone || v_oldest.frame_number;
    p_frames := p_frames - 1;
    p_bytes := p_bytes - v_oldest.bytes;
  end loop;
  if v_gone <> '{}' then
    delete from stream_frame f where f.partition_key = p_partition and f.execution_id = p_id and f.attempt_index = p_attempt
      and f.frame_number = any (v_gone);
  end if;
end $$;

create type written_frames as (ord integer, moved boolean, next_number integer, epoch bigint, lease_base integer, durable_frames integer,
  durable_bytes bigint, patch_count integer, document bytea, written_at bigint,
  refusal text, ended_by ended_by, terminal_outcome terminal_outcome, answer jsonb);

-- Appends under leases, at most one item per execution. Of an item whose head is another one by now nothing is written, and it
-- is answered with the head that there is. Frames are those of the item `p_owners` names, by its place; `p_documents` are null
-- where no patch came.
create function append_frames(p_partitions integer[], p_ids uuid[], p_indexes integer[], p_leases uuid[], p_epochs bigint[],
  p_expected_numbers integer[], p_expected_times bigint[], p_next_numbers integer[], p_lease_bases integer[], p_durable_frames integer[],
  p_durable_bytes bigint[], p_patch_counts integer[], p_documents bytea[],
  p_owners integer[], p_numbers integer[], p_modes text[], p_types text[], p_frames bytea[],
  p_capped_frames_max integer, p_capped_bytes_max bigint, p_capped_age_max bigint, p_namespaces text[])
returns setof written_frames
language plpgsql set search_path from current set lock_timeout = '2s'
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_held record;
  v_ords integer[] := '{}';
  v_head stream;
  v_now bigint;
  v_capped integer;
  v_bytes bigint;
begin
  for v_held in select h.ord, h.tid, h.has_effects
    from lock_handles(p_partitions, p_ids, p_indexes, p_leases, p_epochs, p_namespaces) h where not h.late
  loop
    v_ords := v_ords || v_held.ord;
    v_now := now_ms();
    select s.* into v_head from stream s where s.partition_key = p_partitions[v_held.ord] and s.execution_id = p_ids[v_held.ord]
      and s.attempt_index = p_indexes[v_held.ord];
    if coalesce(v_head.next_number, 0) <> p_expected_numbers[v_held.ord]
      or coalesce(v_head.written_at, 0) <> p_expected_times[v_held.ord] then
      return query select v_held.ord, true, coalesce(v_head.next_number, 0), coalesce(v_head.epoch, 0), coalesce(v_head.lease_base, 0),
        coalesce(v_head.durable_frames, 0), coalesce(v_head.durable_bytes, 0), coalesce(v_head.patch_count, 0),
        (select d.document from stream_summary d where d.partition_key = v_head.partition_key
          and d.execution_id = v_head.execution_id and d.attempt_index = v_head.attempt_index),
        coalesce(v_head.written_at, 0), null::text, null::ended_by, null::terminal_outcome, null::jsonb;
      continue;
    end if;

    if p_next_numbers[v_held.ord] > p_expected_numbers[v_held.ord] then
      insert into stream_frame (partition_key, execution_id, attempt_index, frame_number, mode, type, frame, appended_at)
        select p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], f.number, f.mode, f.type, f.frame, v_now
        from unnest(p_owners, p_numbers, p_modes, p_types, p_frames) as f (owner, number, mode, type, frame)
        where f.owner = v_held.ord;
      select coalesce(v_head.capped_frames, 0) + count(*), coalesce(v_head.capped_bytes, 0) + coalesce(sum(octet_length(f.frame)), 0)
        into v_capped, v_bytes
        from unnest(p_owners, p_modes, p_frames) as f (owner, mode, frame) where f.owner = v_held.ord and f.mode <> 'durable';
      if v_capped > 0 then
        select t.p_frames, t.p_bytes into v_capped, v_bytes
          from trim_capped_frames(p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], v_capped, v_bytes,
            p_capped_frames_max, p_capped_bytes_max, v_now - p_capped_age_max) t;
      end if;
      insert into stream (partition_key, execution_id, attempt_index, next_number, epoch, lease_base, durable_frames, durable_bytes,
          capped_frames, capped_bytes, patch_count, patched_at, written_at)
        values (p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], p_next_numbers[v_held.ord], p_epochs[v_held.ord],
          p_lease_bases[v_held.ord], p_durable_frames[v_held.ord], p_durable_bytes[v_held.ord], v_capped, v_bytes,
          p_patch_counts[v_held.ord], case when p_documents[v_held.ord] is not null then v_now end, v_now)
        on conflict (execution_id, attempt_index, partition_key) do update set next_number = excluded.next_number,
          epoch = excluded.epoch, lease_base = excluded.lease_base, durable_frames = excluded.durable_frames,
          durable_bytes = excluded.durable_bytes, capped_frames = excluded.capped_frames, capped_bytes = excluded.capped_bytes,
          patch_count = excluded.patch_count, patched_at = coalesce(excluded.patched_at, stream.patched_at),
          written_at = excluded.written_at;
      if p_documents[v_held.ord] is not null then
        insert into stream_summary (partition_key, execution_id, attempt_index, document)
          values (p_partitions[v_held.ord], p_ids[v_held.ord], p_indexes[v_held.ord], p_documents[v_held.ord])
          on conflict (execution_id, attempt_index, partition_key) do update set document = excluded.document;
      end if;
      -- An attempt that wrote cannot be handed back as if it had not begun.
      if not v_held.has_effects then update execution e set attempt_has_effects = true where e.ctid = v_held.tid; end if;
    else
      v_now := coalesce(v_head.written_at, 0);
    end if;
    return query select v_held.ord, false, null::integer, null::bigint, null::integer, null::integer, null::bigint, null::integer,
      null::bytea, v_now, null::text, null::ended_by, null::terminal_outcome, null::jsonb;
  end loop;

  if cardinality(v_ords) < cardinality(p_ids) then
    return query select r.ord, false, null::integer, null::bigint, null::integer, null::integer, null::bigint, null::integer,
      null::bytea, null::bigint, r.refusal, r.ended_by, r.terminal_outcome, r.answer
      from refusals_of(p_partitions, p_ids, p_indexes, p_leases, p_epochs, 'append', p_namespaces, v_ords) r;
  end if;
end $$;

-- Frames of an attempt (null: the newest) from a number on, also of later attempts if `p_across`: at most `p_limit`, and not more
-- than one beyond `p_bytes_max`. With each what is recorded of the attempt; without any a row of that alone. Nothing for an
-- unknown execution. One statement, so that all of it is as of one moment.
create function look_at_frames(p_partition integer, p_id uuid, p_namespace text, p_attempt integer, p_from integer, p_across boolean,
  p_limit integer, p_bytes_max bigint)
returns table (attempt_count integer, is_terminal boolean, idx integer, state attempt_record_state, ended_by ended_by, next_number integer,
  patch_count integer, patched_at bigint, attempt_index integer, frame_number integer, mode text, type text, frame bytea, appended_at bigint)
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
begin
  if p_across then
    return query
    select x.attempt_count, x.is_terminal, x.idx,
      case when x.is_running then 'started' else a.state end, case when not x.is_running then a.ended_by end,
      coalesce(s.next_number, 0), coalesce(s.patch_count, 0), s.patched_at,
      f.attempt_index, f.frame_number, f.mode, f.type, f.frame, f.appended_at
    from (
      select e.partition_key, e.id, e.attempt_count, e.lifecycle_phase = 'terminal' as is_terminal, i.idx,
        e.lifecycle_phase = 'active' and i.idx = e.attempt_count - 1 as is_running
      from execution e
      cross join lateral (select coalesce(p_attempt, greatest(e.attempt_count - 1, 0)) as idx) i
      where e.partition_key = p_partition and e.id = p_id
        and exists (select 1 from lane l where l.id = e.lane_id and l.namespace = p_namespace) limit 1
    ) x
    left join lateral (
      select y.state, y.ended_by from attempt y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.idx = x.idx and x.idx < x.attempt_count limit 1) a on true
    left join lateral (
      select y.next_number, y.patch_count, y.patched_at from stream y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.attempt_index = x.idx limit 1) s on true
    left join lateral (
      select p.* from (
        select n.*, sum(octet_length(n.frame)) over (order by n.attempt_index, n.frame_number) - octet_length(n.frame) as before
        from (
          select y.* from stream_frame y where y.partition_key = x.partition_key and y.execution_id = x.id
            and (y.attempt_index, y.frame_number) >= (x.idx, p_from)
          order by y.attempt_index, y.frame_number limit p_limit
        ) n
      ) p where p.before <= p_bytes_max
    ) f on true
    order by f.attempt_index, f.frame_number;
  else
    return query
    select x.attempt_count, x.is_terminal, x.idx,
      case when x.is_running then 'started' else a.state end, case when not x.is_running then a.ended_by end,
      coalesce(s.next_number, 0), coalesce(s.patch_count, 0), s.patched_at,
      f.attempt_index, f.frame_number, f.mode, f.type, f.frame, f.appended_at
    from (
      select e.partition_key, e.id, e.attempt_count, e.lifecycle_phase = 'terminal' as is_terminal, i.idx,
        e.lifecycle_phase = 'active' and i.idx = e.attempt_count - 1 as is_running
      from execution e
      cross join lateral (select coalesce(p_attempt, greatest(e.attempt_count - 1, 0)) as idx) i
      where e.partition_key = p_partition and e.id = p_id
        and exists (select 1 from lane l where l.id = e.lane_id and l.namespace = p_namespace) limit 1
    ) x
    left join lateral (
      select y.state, y.ended_by from attempt y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.idx = x.idx and x.idx < x.attempt_count limit 1) a on true
    left join lateral (
      select y.next_number, y.patch_count, y.patched_at from stream y
      where y.partition_key = x.partition_key and y.execution_id = x.id and y.attempt_index = x.idx limit 1) s on true
    left join lateral (
      select p.* from (
        select n.*, sum(octet_length(n.frame)) over (order by n.attempt_index, n.frame_number) - octet_length(n.frame) as before
        from (
          select y.* from stream_frame y where y.partition_key = x.partition_key and y.execution_id = x.id
            and y.attempt_index = x.idx and y.frame_number >= p_from
          order by y.attempt_index, y.frame_number limit p_limit
        ) n
      ) p where p.before <= p_bytes_max
    ) f on true
    order by f.attempt_index, f.frame_number;
  end if;
end $$;

-- The document of an attempt (null: the newest). Nothing for an unknown execution.
create function read_stream_summary(p_partition integer, p_id uuid, p_namespace text, p_attempt integer)
returns table (attempt_count integer, idx integer, document bytea, patch_count integer, patched_at bigint)
language plpgsql stable set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
begin
  return query
  select l.attempt_count, l.idx, (
      select d.document from stream_summary d
      where d.partition_key = p_partition and d.execution_id = p_id and d.attempt_index = l.idx limit 1),
    l.patch_count, l.patched_at
  from look_at_frames(p_partition, p_id, p_namespace, p_attempt, 0, false, 0, 0) l;
end $$;

-- Removes the streams of executions, at most `p_max` frames. Answers whether they are gone.
create function remove_streams(p_partition integer, p_ids uuid[], p_max integer) returns boolean
language plpgsql set search_path from current set enable_seqscan = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  v_ids uuid[];
  v_count integer;
begin
  select array_agg(distinct s.execution_id) into v_ids from stream s where s.partition_key = p_partition and s.execution_id = any (p_ids);
  if v_ids is null then return true; end if;
  delete from stream_frame f where f.ctid = any (array(
    select x.ctid from stream_frame x where x.partition_key = p_partition and x.execution_id = any (v_ids) limit p_max));
  get diagnostics v_count = row_count;
  if v_count >= p_max then return false; end if;
  delete from stream_summary where partition_key = p_partition and execution_id = any (v_ids);
  delete from stream where partition_key = p_partition and execution_id = any (v_ids);
  return true;
end $$;
