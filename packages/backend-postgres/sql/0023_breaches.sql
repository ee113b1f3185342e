-- What a hard breach leaves: the job that carries out the budget's rule, in the step that records it. Its id, its home and its
-- progress come from the process, which alone knows what they mean; of most reports nothing comes of them.

-- What names quotas or budgets and has not ended, as jobs walk over it.
create index execution_demanding on execution (lane_id, created_at desc, id desc) where has_demands and terminal_outcome = 'none';

drop function leave_breach_job(budget);
create function leave_breach_job(p_budget budget, p_job uuid, p_home integer, p_progress text, p_now bigint) returns void
language sql set search_path from current as $$
  insert into operation (partition_key, namespace, id, version, created_at, due_at, definition, progress)
    values (p_home, p_budget.namespace, p_job, 1, p_now, p_now, json_build_object(
      'work', json_build_object('kind', 'budget_breach', 'budgetId', p_budget.id, 'rule', p_budget.on_hard_breach),
      'beganAtMs', p_now, 'boundsMs', json_build_array(p_now)), p_progress)
$$;

-- Says that a limit was passed which was not before. Answers how the budget stands, and when a job was left, or null.
drop function note_breach(budget, text);
create function note_breach(p_budget budget, p_before text, p_job uuid, p_home integer, p_progress text, out level text, out job_at bigint)
language plpgsql set search_path from current as $$
declare
  v_levels constant text[] := '{ok,soft_breach,hard_breach}';
begin
  level := breach_of(p_budget.limits, p_budget.used);
  if array_position(v_levels, level) <= array_position(v_levels, p_before) then return; end if;
  perform tell_budget(p_budget, level);
  if level = 'hard_breach' and p_budget.on_hard_breach <> 'block_new' then
    job_at := now_ms();
    perform leave_breach_job(p_budget, p_job, p_home, p_progress, job_at);
  end if;
end $$;

-- Charges what an execution has spent. `p_homes`: that of a job, by namespace.
drop function report_usage(integer, uuid, integer, text[], uuid, text, jsonb, bigint, bigint);
create function report_usage(p_partition integer, p_id uuid, p_attempt integer, p_namespaces text[], p_budget uuid, p_key text, p_amounts jsonb,
  p_key_ttl bigint, p_sum_max bigint, p_job uuid, p_homes integer[], p_progress text,
  out outcome text, out used jsonb, out dimension text, out actual bigint, out job_at bigint, out job_home integer)
language plpgsql set search_path from current set lock_timeout = '2s' set plan_cache_mode = force_generic_plan
  set enable_seqscan = off set jit = off as $$
#variable_conflict use_column
declare
  v_now bigint;
  v_namespace text;
  b budget;
  v_before text;
begin
  select l.namespace into v_namespace from execution e join lane l on l.id = e.lane_id
    where e.partition_key = p_partition and e.id = p_id and e.attempt_count > p_attempt and l.namespace = any (p_namespaces);
  if not found then outcome := 'stale_lease'; return; end if;
  select x.* into b from budget x where x.id = p_budget and x.namespace = v_namespace for update;
  if not found then outcome := 'budget_not_found'; return; end if;
  v_now := now_ms();
  select k into dimension from jsonb_object_keys(p_amounts) as k where not b.limits ? k limit 1;
  if found then outcome := 'unknown_dimension'; return; end if;
  if exists (select 1 from budget_entry x where x.budget_id = p_budget and x.execution_id = p_id and x.usage_key = p_key
    and x.at + p_key_ttl > v_now) then
    outcome := 'duplicate';
    return;
  end if;
  v_before := breach_of(b.limits, b.used);
  -- One that is remembered no more counts in the ledger still.
  update budget x set folded = add_amounts(x.folded, o.amounts) from budget_entry o
    where x.id = p_budget and o.budget_id = p_budget and o.execution_id = p_id and o.usage_key = p_key and o.period = x.period;
  used := add_amounts(b.used, p_amounts);
  select k.key, least(k.value::bigint, 9007199254740991) into dimension, actual from jsonb_each_text(used) k where k.value::bigint > p_sum_max limit 1;
  if found then outcome := 'limit_exceeded'; return; end if;
  insert into budget_entry as o (budget_id, execution_id, usage_key, period, at, amounts) values (p_budget, p_id, p_key, b.period, v_now, p_amounts)
    on conflict (budget_id, execution_id, usage_key) do update set period = excluded.period, at = excluded.at, amounts = excluded.amounts;
  update budget x set used = add_amounts(b.used, p_amounts) where x.id = p_budget returning x.* into b;
  -- What is given back at this moment is not waited for.
  update budget_reservation r set amount = greatest(0, r.amount - k.amount) from (
    select y.ctid as tid, a.value::bigint as amount from jsonb_each_text(p_amounts) a cross join lateral (
      select z.ctid from budget_reservation z where z.budget_id = p_budget and z.execution_id = p_id and z.dimension = a.key
      limit 1 for update skip locked) y) k where r.ctid = k.tid;
  job_home := p_homes[array_position(p_namespaces, v_namespace)];
  select n.level, n.job_at into outcome, job_at from note_breach(b, v_before, p_job, job_home, p_progress) n;
end $$;

-- Changes a budget, as far as its settings are stated (null: not). Answers when a job was left, or null; nothing where there is no budget.
create function update_budget(p_budget uuid, p_namespace text, p_label text, p_limits jsonb, p_rule text, p_states_period boolean,
  p_period_ms bigint, p_job uuid, p_home integer, p_progress text)
returns table (job_at bigint) language plpgsql set search_path from current set lock_timeout = '2s' as $$
declare
  b budget;
  v_before text;
begin
  select x.* into b from budget x where x.id = p_budget and x.namespace = p_namespace for update;
  if not found then return; end if;
  v_before := breach_of(b.limits, b.used);
  update budget x set label = coalesce(p_label, x.label), limits = coalesce(p_limits, x.limits),
      on_hard_breach = coalesce(p_rule, x.on_hard_breach),
      reset_period_ms = case when p_states_period then p_period_ms else x.reset_period_ms end,
      next_reset_at = case when p_states_period and p_period_ms is distinct from x.reset_period_ms then now_ms() + p_period_ms
        else x.next_reset_at end
    where x.id = p_budget returning x.* into b;
  return query select n.job_at from note_breach(b, v_before, p_job, p_home, p_progress) n;
end $$;
