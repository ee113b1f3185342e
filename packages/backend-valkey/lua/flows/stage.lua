--- Stores a part of a graph that is too large for one call: of a new flow (`f`) or of what a flow is to be extended by (`e`).
-- `from` says how many nodes came before it; the answer says how many are there, so that a repeat goes on where it was.
-- The first ids are those of the part's nodes, others are of nodes that their edges name.
-- @flags
-- @brings submit
-- @args kind: string, head: [id: string, ns: string, name: string, tags: string, deadlineMs: int, shape: string, ids:
--   string, parent: string], notAfterMs: int, hash: string, from: int, routes: [rid: string, text: string, lane: string][], ids:
--   string[], nodes: [route: int, priority: int, startMs: int, delayMs: int, policy: unknown, spec: string, hash:
--   string, input: int, name: string, join: unknown, ins: [from: int, as: string][], outs: [to: int, place: int][]][]
-- @reply unknown[]
-- @errors corruption schema_mismatch invalid_arguments not_found
local function open(u, kind, head, not_after, hash)
  local id = head[1]
  if kind == 'e' then return flows.find(u, head[2], id) end
  local f = flows.get_any(u, id)
  if f then return f end
  if not_after > 0 and u.now > not_after then return nil end
  graph.check_ids({ id })
  f = flows.draft(u, head, 's')
  flows.create(u, id, f)
  staging.begin(u, f, hash)
  return f
end

return function(u, a)
  local kind, id, hash, ids, nodes = a[1], a[2][1], a[4], a[7], a[8]
  graph.check_ids(ids)
  if #hash == 0 or #ids < #nodes or #nodes == 0 then call.refuse('invalid_arguments', 'a part') end
  local f = open(u, kind, a[2], a[3], hash)
  if not f then return { 'k' } end
  if kind == 'f' and f[F.state] ~= 's' then return { 't', f[F.ns], f[F.shape], f[F.ids] } end
  if kind == 'e' and f[F.staging] == '' and f[F.release] == 0 then staging.begin(u, f, hash) end
  -- Another's parts, or members that are still to be let in: whoever comes later waits.
  if f[F.staging] ~= hash then return { 'b', f[F.release] > 0 } end
  if f[F.staged] ~= a[5] then return { 's', f[F.staged] } end
  local refusal = graph.has_any(u, ids, #nodes) and { 'c' } or graph.refusal(u, a[6], nodes, routes.ensure(u, a[6]))
  if refusal then return refusal end
  staging.add(u, id, f, ids, nodes, a[6])
  flush.run(u)
  return { 's', f[F.staged] }
end
