/** A bug that is planted on purpose, to see that the suite finds it: one piece of source text for another. */
export interface PlantedBug {
  readonly name: string
  /** The source file, from the root; `sql` for the migrations, whose text is embedded in a module. */
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
    find: 'epoch = e.epoch + 1,',
    replace: 'epoch = e.epoch,',
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
]

const embedded = 'packages/backend-postgres/src/generated/migrations.ts'

/** A plugin that plants the named bug while the source is loaded; the files themselves stay as they are. */
export function plantBug(name: string) {
  const bug = plantedBugs.find((each) => each.name === name)
  if (bug === undefined) throw new Error(`no planted bug is called ${name}`)
  const isSql = bug.file === 'sql'
  const inFile = (text: string) => (isSql ? JSON.stringify(text).slice(1, -1) : text)
  return {
    name: 'plant-bug',
    enforce: 'pre' as const,
    transform(code: string, id: string) {
      if (!id.endsWith(isSql ? embedded : bug.file)) return null
      const places = code.split(inFile(bug.find)).length - 1
      if (places !== 1) throw new Error(`${bug.name}: its place was found ${places} times, not once`)
      return { code: code.replace(inFile(bug.find), () => inFile(bug.replace)), map: null }
    },
  }
}
