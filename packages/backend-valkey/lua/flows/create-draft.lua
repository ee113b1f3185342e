--- Begins a graph that is filled piece by piece and then sealed.
-- @flags
-- @brings submit
-- @args head: [id: string, ns: string, name: string, tags: string, deadlineMs: int, shape: string, ids: string, parent: string], ttlMs: int
-- @reply unknown[]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local head = a[1]
  local known = flows.get_any(u, head[1])
  if known then return { 't', known[F.ns], known[F.shape] } end
  graph.check_ids({ head[1] })
  local f = flows.draft(u, head, 'd')
  f[F.draft_expires] = u.now + a[2]
  flows.create(u, head[1], f)
  flush.run(u)
  return { 'a' }
end
