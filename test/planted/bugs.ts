import { layouts } from '../../packages/backend-valkey/lua/layouts.mjs'

/** A bug that is planted on purpose, to see that the suite finds it: one piece of source text for another. */
export interface PlantedBug {
  readonly name: string
  /**
   * The source file, from the root; `sql` for the migrations and `lua` for the function library, whose texts are embedded in
   * modules.
   */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'an edge is counted twice',
    file: 'sql',
    find: 'g.succeeded + p.succeeded as succeeded, g.failed + p.failed as failed',
    replace: 'least(g.n, g.succeeded + 2 * p.succeeded) as succeeded, g.failed + p.failed as failed',
  },
  {
    name: 'a skip does not cascade',
    file: 'sql',
    find: "select bool_or(n.terminal_outcome <> 'none'), bool_or",
    replace: "select bool_or(n.terminal_outcome not in ('none', 'skipped')), bool_or",
  },
  {
    name: 'a sibling cancel forgets the tuple',
    file: 'sql',
    find: 'from unnest(steps) s where s.reason is not null\n      on conflict do nothing',
    replace: 'from unnest(steps) s where s.reason is not null and false\n      on conflict do nothing',
  },
  {
    name: 'sibling cancels of one flow go by ids',
    file: 'packages/backend-postgres/src/resolution/sibling-cancels.ts',
    find: 'order by p.flow_id, e.seq',
    replace: 'order by p.flow_id, p.downstream_id',
  },
  {
    name: 'a sibling cancel comes before what the last one led to',
    file: 'packages/backend-postgres/src/resolution/sibling-cancels.ts',
    find: 'if (moving.has(tuple.flow_id)) {',
    replace: 'if (max < 0) {',
  },
  {
    name: 'a finaliser absorbs',
    file: 'packages/core/src/decisions/settlement.ts',
    find: "if (member.runOn === 'always') return false",
    replace: '',
  },
  {
    name: 'a late completion is accepted after a new claim',
    file: 'sql',
    find: "and e.attempt_count = i.idx + 1 and e.epoch = i.epoch\n        and e.lease_id = i.lease_id and (e.lifecycle_phase = 'active' or i.late)",
    replace: "and (e.lifecycle_phase = 'active' or i.late)",
  },
  {
    name: 'a late failure is accepted after a new claim',
    file: 'sql',
    find: 'and e.attempt_count = i.idx + 1 and e.epoch = i.epoch and e.lease_id = i.lease_id',
    replace: '',
  },
  {
    name: 'an end that waited for a lock is refused',
    file: 'sql',
    find: 'where v_look = 1 or u.ord = any (v_locked)',
    replace: 'where v_look = 1',
  },
  {
    name: 'the epoch is not raised',
    file: 'sql',
    find: "\n      attempt_state = 'running_attempt', public_state = 'active', epoch = e.epoch + 1,",
    replace: "\n      attempt_state = 'running_attempt', public_state = 'active', epoch = e.epoch,",
  },
  {
    name: 'a deadline is ignored at claim',
    file: 'sql',
    find: 'and coalesce(e.deadline_at > v_now, true)',
    replace: '',
  },
  {
    name: 'a timer is left behind',
    file: 'sql',
    find: 'terminal_at = p_now, due_at = case when e.flow_id is null then p_now + d.keep_ms end',
    replace: 'terminal_at = p_now, due_at = e.due_at',
  },
  {
    name: 'a replay keeps its counters',
    file: 'sql',
    find: "update edge_group g set succeeded = 0, failed = 0, skipped = 0, state = 'pending'",
    replace: "update edge_group g set state = 'pending'",
  },
  {
    name: 'a spared loser is never judged again',
    file: 'sql',
    find: 'if v_has_wanted or v_pulls is not null then lost :=',
    replace: 'if v_pulls is not null then lost :=',
  },
  {
    name: 'an extend judges no spared loser',
    file: 'sql',
    find: 'if exists (select 1 from unnest(v_result.steps) s where s.decided is not null) then',
    replace: 'if false then',
  },
  {
    name: 'an old generation still decides',
    file: 'sql',
    find: "u.lifecycle_phase = 'terminal' and u.generation = e.generation as stands",
    replace: "u.lifecycle_phase = 'terminal' as stands",
  },
  {
    name: 'a start time is lifted with the dependencies',
    file: 'sql',
    find: 'eligibility_state = runnable_eligibility(false, x.held, x.not_before, p_now),',
    replace: 'eligibility_state = runnable_eligibility(false, x.held, null, p_now),',
  },
  {
    name: 'a cancelling flow still starts members',
    file: 'sql',
    find: "or (p_state = 'cancelling' and not",
    replace: 'or (false and not',
  },
  {
    name: 'settled is forgotten',
    file: 'sql',
    find: "(c.state <> 'pending' and (not g.settled or c.succeeded + c.failed + c.skipped = g.n))",
    replace: "(c.state <> 'pending')",
  },
  {
    name: 'a finaliser counts as a need',
    file: 'sql',
    find: "and d.lifecycle_phase <> 'terminal' and not d.always_node and g.state = 'pending')",
    replace: "and d.lifecycle_phase <> 'terminal' and g.state = 'pending')",
  },
  {
    name: 'a submission is handed out before older work',
    file: 'sql',
    find: 'select 1 from execution e where e.route_id = s.id and',
    replace: 'select 1 from execution e where e.route_id = -s.id and',
  },
  {
    name: 'a claim of one route keeps to the cap of another lane',
    file: 'sql',
    find: 'v_room[array_position(v_lanes, p_route_lanes[1])]',
    replace: 'v_room[1]',
  },
  {
    name: 'a full lane keeps work of the others back',
    file: 'sql',
    find: 'where v_room[array_position(v_known.ids, r.lane_id)] > 0;',
    replace: 'where true;',
  },
  {
    name: 'a slot of a quota is granted twice in one claim',
    file: 'sql',
    find: 'v_q_held[v_dq[d]] := v_q_held[v_dq[d]] + 1;',
    replace: '',
  },
  {
    name: 'a key of a call is recorded though its item was refused',
    file: 'sql',
    find: "where i.key is not null and d.outcome in ('accepted', 'duplicate')",
    replace: 'where i.key is not null',
  },
  {
    name: 'answers to a large call are told in the order of what was new',
    file: 'sql',
    find: 'case when p_ids[m.nth] = m.id then m.nth else array_position(p_ids, m.id) end',
    replace: 'm.nth',
  },
  {
    name: 'what is reserved does not count against a budget',
    file: 'sql',
    find: 'coalesce((select sum(x.amount) from budget_reservation x where x.budget_id = b.id and x.dimension = l.key), 0)::bigint',
    replace: '0::bigint',
  },
  {
    name: 'usage is charged again under its key',
    file: 'sql',
    find: "outcome := 'duplicate';\n    return;",
    replace: "outcome := 'ok';",
  },
  {
    name: 'a late reset moves those after it',
    file: 'sql',
    find: 'v_started := b.next_reset_at + (v_now - b.next_reset_at) / b.reset_period_ms * b.reset_period_ms;',
    replace: 'v_started := v_now;',
  },
  {
    name: 'a window forgets its oldest step too early',
    file: 'sql',
    find: 'where s.quota_id = p_quota and s.key = p_key and s.at > p_now - p_window - rate_step_ms(p_window) + 1',
    replace: 'where s.quota_id = p_quota and s.key = p_key and s.at > p_now - p_window',
  },
  {
    name: 'what drops new work parks it',
    file: 'sql',
    find: "if v_q is not null and v_q_strategies[v_q] = 'drop_new' then",
    replace: 'if false then',
  },
  {
    name: 'what was resumed pays for its attempt again',
    file: 'sql',
    find: 'elsif v_begins[i] and v_q_rates[v_dq[d]] is not null and',
    replace: 'elsif v_q_rates[v_dq[d]] is not null and',
  },
  {
    name: 'a frame is appended though another came first',
    file: 'sql',
    find: 'if coalesce(v_head.next_number, 0) <> p_expected_numbers[v_held.ord]\n      or coalesce(v_head.written_at, 0) <> p_expected_times[v_held.ord] then',
    replace: 'if false then',
  },
  {
    name: 'a wake passes over who waits longest',
    file: 'sql',
    find: 'where l.by_quota = p_quota and l.by_key = p_key order by l.parked_seq',
    replace: 'where l.by_quota = p_quota and l.by_key = p_key order by l.parked_seq desc',
  },
  {
    name: 'a batch replays what was replayed since',
    file: 'packages/backend-postgres/src/operations/carry-out.ts',
    find: 'const isSame = generations.get(id) === execution.generation',
    replace: 'const isSame = true',
  },
  {
    name: 'a revoked token is revoked again',
    file: 'packages/backend-postgres/src/access/index.ts',
    find: "if (known.revoked_at !== null) return { outcome: 'already_revoked' as const }",
    replace: '',
  },
  {
    name: 'a buffer takes a tick more than it may',
    file: 'packages/core/src/schedules/decide.ts',
    find: 'this.#buffered.length >= max',
    replace: 'this.#buffered.length > max',
  },
  {
    name: 'a stream numbers the frames of a new lease on',
    file: 'packages/core/src/streams/judge-frames.ts',
    find: 'const leaseBase = head.epoch === epoch ? head.leaseBase : head.nextNumber',
    replace: 'const leaseBase = head.leaseBase',
  },
  {
    name: 'a signal counts twice for one source',
    file: 'packages/core/src/decisions/condition.ts',
    find: "return state.keys.includes(keyOf(leaf, signal)) ? 'not_needed' : 'counted'",
    replace: "return 'counted'",
  },
  {
    name: 'Valkey: a handle of an earlier claim is taken',
    file: 'lua',
    find: 'if not attempt or attempt == 0 or attempt[A.lease] ~= handle[3] or attempt[A.epoch] ~= handle[4] then',
    replace: 'if not attempt or attempt == 0 then',
  },
  {
    name: 'Valkey: the epoch is not raised',
    file: 'lua',
    find: 'x[X.epoch] = x[X.epoch] + 1',
    replace: '',
  },
  {
    name: 'Valkey: a ready entry is left behind',
    file: 'lua',
    find: 'else\nplan.cut[#plan.cut + 1] = member\nend',
    replace: 'end',
  },
  {
    name: 'Valkey: a lease stays with its instance',
    file: 'lua',
    find: 'local list = flush.holder(u, staged, held_by).change.cut\nlist[#list + 1] = id',
    replace: '',
  },
  {
    name: 'Valkey: a count keeps what has left it',
    file: 'lua',
    find: 'if counted then counts[counted] = (counts[counted] or 0) - 1 end',
    replace: '',
  },
  {
    name: 'Valkey: an edge is counted twice',
    file: 'lua',
    find: 'if BUCKETS[letter] then g[BUCKETS[letter]] = g[BUCKETS[letter]] + 1 end',
    replace: 'if BUCKETS[letter] then g[BUCKETS[letter]] = math.min(g[G.n], g[BUCKETS[letter]] + 2) end',
  },
  {
    name: 'Valkey: the tuple is forgotten',
    file: 'lua',
    find: "u.tuples[#u.tuples + 1] = { g[G.flow] .. '|' .. id, true }",
    replace: '',
  },
  {
    name: 'Valkey: a skip does not cascade',
    file: 'lua',
    find: 'f[F.entries] = f[F.entries] + 1\nu.fresh[#u.fresh + 1] = each',
    replace:
      "if each.letter == 'k' then return end\nf[F.entries] = f[F.entries] + 1\nu.fresh[#u.fresh + 1] = each",
  },
  {
    name: 'Valkey: settled is forgotten',
    file: 'lua',
    find: 'if g[G.settled] == 1 and not groups.is_complete(g) then return false end',
    replace: '',
  },
  {
    name: 'Valkey: a start time is lifted with the dependencies',
    file: 'lua',
    find: 'x[X.deps] = 0\ntransition.runnable(u, x, x[X.att])',
    replace: 'x[X.deps] = 0\nx[X.not_before] = 0\ntransition.runnable(u, x, x[X.att])',
  },
  {
    name: 'Valkey: an old generation still decides',
    file: 'lua',
    find: "if not x or not state.is_terminal(x) or x[X.generation] ~= item[4] or (item[2] ~= '' and not f) then",
    replace: "if not x or not state.is_terminal(x) or (item[2] ~= '' and not f) then",
  },
  {
    name: 'Valkey: a cancelling flow still starts members',
    file: 'lua',
    find: "return letter ~= 'l' or (x[X.always] == 1 and f[F.finalisers] == 1)",
    replace: 'return true',
  },
  {
    name: 'Valkey: a finaliser counts as a need',
    file: 'lua',
    find: "if g and x and g[G.state] == 'p' and g[G.run_on] ~= 'a' and not state.is_terminal(x) then return true end",
    replace: "if g and x and g[G.state] == 'p' and not state.is_terminal(x) then return true end",
  },
  {
    name: 'Valkey: a spared loser is never judged again',
    file: 'lua',
    find: 'if f[F.wanted] == 0 then return end',
    replace: 'do return end',
  },
  {
    name: 'Valkey: a replay keeps its counters',
    file: 'lua',
    find: 'for _, bucket in pairs(BUCKETS) do g[bucket] = 0 end',
    replace: '',
  },
  {
    name: 'Valkey: a timer of the wrong kind',
    file: 'lua',
    find: "look('queue_ttl', state.queue_ttl(x))",
    replace: "look('execution_deadline', state.queue_ttl(x))",
  },
  {
    name: 'Valkey: a deadline is ignored at claim',
    file: 'lua',
    find: 'if x[X.policy] ~= 0 and state.is_past_deadline(x, u.now) then return false end\nif x[X.flow]',
    replace: 'if x[X.flow]',
  },
  {
    name: 'Valkey: an earlier attempt is not kept',
    file: 'lua',
    find: 'for id, history in pairs(u.histories) do staged.hashes[attempts.key(u, id)] = history end',
    replace: '',
  },
  {
    name: 'Valkey: a late end counts as a lost lease',
    file: 'lua',
    find: 'x[X.reclaims] = x[X.reclaims] - 1',
    replace: '',
  },
  {
    name: 'Valkey: a copy of a lower version is taken',
    file: 'lua',
    find: 'if known and known[L.version] >= settings[L.version] then return known end',
    replace: '',
  },
  {
    name: 'Valkey: a cap forgets what runs',
    file: 'lua',
    find: 'return math.max(0, lane.record[L.credit] - lane.record[L.active])',
    replace: 'return lane.record[L.credit]',
  },
  {
    name: 'Valkey: a priority is ignored',
    file: 'lua',
    find: 'return lane.ageing or STEP_WITHOUT_AGEING',
    replace: 'return 0',
  },
  {
    name: 'Valkey: the short way takes any lease',
    file: 'lua',
    find: 'or not plain.has(text, lease_at + #ID, item[3])',
    replace: '',
  },
  {
    name: 'Valkey: the short way leaves an end unlisted',
    file: 'lua',
    find: 'good[#good + 1] = created\ngood[#good + 1] = id',
    replace: '',
  },
  {
    name: 'Valkey: what is handed out at once stays among the claimable',
    file: 'lua',
    find: "if x[X.phase] == 'r' and may_start(u, x) then return x end",
    replace: 'if may_start(u, x) then return x end',
  },
  {
    name: 'Valkey: what ends keeps its slots',
    file: 'lua',
    find: "if d[D.lease] ~= '' and x[X.phase] ~= 'a' then give_back(u, x, d) end",
    replace: '',
  },
  {
    name: 'Valkey: a slot is counted once for all',
    file: 'lua',
    find: 'count[1] = count[1] + 1\nlocal step',
    replace: 'local step',
  },
  {
    name: 'Valkey: usage does not come off what is reserved',
    file: 'lua',
    find: 'add(b.reserved, { [dimension] = taken }, -1)',
    replace: '',
  },
  {
    name: 'Valkey: a reset keeps what was spent',
    file: 'lua',
    find: 'b.used, b.base = {}, {}\nresources',
    replace: 'resources',
  },
  {
    name: 'Valkey: a refused head does not park its line',
    file: 'lua',
    find: "if now == '!' .. lid then line.head = id end",
    replace: '',
  },
  {
    name: 'Valkey: a yield keeps its units',
    file: 'lua',
    find: 'if not is_wished or units == 0 then return end',
    replace: 'if true then return end',
  },
  {
    name: 'Valkey: a holder of a bundle is given back and stays in it',
    file: 'lua',
    find: 'bundle.flags[place] = HOLDS_NOT',
    replace: '',
  },
  {
    name: 'Valkey: the holders of a bundle came at once',
    file: 'lua',
    find: 'u.seq = u.seq + span',
    replace: '',
  },
  {
    name: 'Valkey: a bundle outlives the last that it holds',
    file: 'lua',
    find: 'if is_empty(bundle) then',
    replace: 'if false then',
  },
  {
    name: 'Valkey: what a call makes claimable in a line is not for the claim in it',
    file: 'lua',
    find: 'for _, line in ipairs(fresh.lines) do add(line) end',
    replace: '',
  },
  {
    name: 'Valkey: a bundle with a gap holds for nobody',
    file: 'lua',
    find: 'flags[place] = span == count and HOLDS or HOLDS_NOT',
    replace: 'flags[place] = HOLDS',
  },
  {
    name: 'Valkey: a head that starts stays in its line',
    file: 'lua',
    find: "lines.cut(line, rid, string.format('%011x', plain.seq(text)) .. id)",
    replace: '',
  },
  {
    name: 'Valkey: a frame is appended though another came first',
    file: 'lua',
    find: 'if head[H.next] ~= expected[1] or head[H.written] ~= expected[2] then',
    replace: 'if false then',
  },
  {
    name: 'Valkey: a batch replays what was replayed since',
    file: 'lua',
    find: "if not is_same then return 'done' end",
    replace: '',
  },
  {
    name: 'Valkey: a waitpoint takes a signal again under its key',
    file: 'lua',
    find: "if known then return { 'duplicate', known } end",
    replace: '',
  },
  {
    name: 'Valkey: a suspension overlooks what came early',
    file: 'lua',
    find: 'if #sequences > 0 or #ends > judged[2] then return tell_early(u, x, a, sequences, ends, bytes) end',
    replace: '',
  },
  {
    name: 'Valkey: a revoked token is revoked again',
    file: 'lua',
    find: "if token[tokens.REVOKED] ~= -1 then return 'already_revoked' end",
    replace: '',
  },
  {
    name: 'Valkey: a retired key is verified for longer',
    file: 'lua',
    find: 'if record[4] == -1 or a[2] < record[4] then record[4] = a[2] end',
    replace: 'record[4] = a[2]',
  },
  {
    name: 'Valkey: an ending flow starts members the short way',
    file: 'lua',
    find: "if not f or f[F.state] ~= 'o' or f[F.expiring] == 1 then return false end",
    replace: 'if not f then return false end',
  },
  {
    name: 'Valkey: the short way hands nothing down',
    file: 'lua',
    find: 'if g == nil or (g and g[G.named] == 1) then return false end',
    replace: 'if g == nil then return false end',
  },
  {
    name: 'Valkey: an end the short way leads nowhere',
    file: 'lua',
    find: "letter = 's', has_outs = has_outs,",
    replace: "letter = 's', has_outs = false,",
  },
  {
    name: 'Valkey: the short way hands out what has changed in the call',
    file: 'lua',
    find: 'if is_changed(u, id) then return nil end',
    replace: '',
  },
  {
    name: 'Valkey: a long payload of the same call is looked for in the store',
    file: 'lua',
    find: 'return fresh and fresh[what] or true',
    replace: 'return true',
  },
  {
    name: 'Valkey: a repeated admission tells less',
    file: 'lua',
    find: 'handed.prepare(u, x)\nleased[place] = true',
    replace: 'leased[place] = true',
  },
  {
    name: 'Valkey: long inputs are handed out without a bound',
    file: 'lua',
    find: 'if place > 1 and bytes > max_bytes then break end',
    replace: '',
  },
]

/** Where a text that is no file of its own is embedded, and how it stands there. */
const embeddings: Readonly<Record<string, { readonly module: string; inside(text: string): string }>> = {
  sql: {
    module: 'packages/backend-postgres/src/generated/migrations.ts',
    inside: (text) => JSON.stringify(text).slice(1, -1),
  },
  lua: {
    module: 'packages/backend-valkey/src/generated/library.ts',
    inside: (text) => JSON.stringify(withPlaces(text)).slice(1, -1),
  },
}

/** Names of fields as the build writes them: by their place in the record. */
function withPlaces(text: string): string {
  return text.replaceAll(/\b([XDVAPFGLQBHWS])\.(\w+)/g, (whole, letter: string, field: string) => {
    const layout = Object.values(layouts).find((each) => each.letter === letter)
    const place = Object.keys(layout?.fields ?? {}).indexOf(field)
    if (place < 0) throw new Error(`${whole} is no field`)
    return String(place + 1)
  })
}

/** The module that a bug is planted in, from the root. */
export function moduleOf({ file }: PlantedBug): string {
  return embeddings[file]?.module ?? file
}

/**
 * The module's text with the bug in it. Throws unless its place is found exactly once; of the migrations,
 * which define a function anew as it changes, in the last one that has the text.
 */
export function plant(bug: PlantedBug, code: string): string {
  const inside = embeddings[bug.file]?.inside ?? ((text: string) => text)
  const find = inside(bug.find)
  const start = bug.file === 'sql' ? code.lastIndexOf("\n    name: '", code.lastIndexOf(find)) : 0
  const [before, after] = [code.slice(0, Math.max(start, 0)), code.slice(Math.max(start, 0))]
  const places = after.split(find).length - 1
  if (places !== 1) throw new Error(`${bug.name}: its place was found ${places} times, not once`)
  return before + after.replace(find, () => inside(bug.replace))
}

/** A plugin that plants the named bug while the source is loaded; the files themselves stay as they are. */
export function plantBug(name: string) {
  const bug = plantedBugs.find((each) => each.name === name)
  if (bug === undefined) throw new Error(`no planted bug is called ${name}`)
  return {
    name: 'plant-bug',
    enforce: 'pre' as const,
    transform: (code: string, id: string) =>
      id.endsWith(moduleOf(bug)) ? { code: plant(bug, code), map: null } : null,
  }
}
