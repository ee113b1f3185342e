--- What a judgement of the whole graph looks at of its members, from a place on; with what says whether the flow is still as it
-- was when the first of them were read. For the form of a member see `shared/facts.lua`.
-- @flags no-writes
-- @args id: string, from: int, max: int
-- @reply [state: string, revision: number, generation: number, change: number, total: number, members: unknown[][]]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local f = flows.get(u, a[1])
  if not f then call.refuse('not_found', a[1]) end
  local ids = a[3] > 0 and members.ids(u, a[1], a[2], math.min(a[2] + a[3] - 1, f[F.members])) or {}
  return { f[F.state], f[F.revision], f[F.generation], f[F.change], f[F.members], facts.of(u, ids) }
end
