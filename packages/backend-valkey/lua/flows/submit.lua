--- Accepts whole graphs that are small enough for one call, each all or nothing. A graph's ids are those of its nodes, in
-- order; for the form of a node see `shared/graph.lua`.
-- @flags
-- @brings submit
-- @args routes: [rid: string, text: string, lane: string][], flows: [head: [id: string, ns: string, name: string, tags:
--   string, deadlineMs: int, shape: string, ids: string, parent: string], notAfterMs: int, ids: string[], nodes: [route: int, priority:
--   int, startMs: int, delayMs: int, policy: unknown, spec: string, hash: string, input: int, name: string, join:
--   unknown, ins: [from: int, as: string][], outs: [to: int, place: int][]][]][]
-- @reply unknown[][]
-- @errors corruption schema_mismatch invalid_arguments
local function submit(u, list, refused, head, not_after, ids, nodes)
  local id = head[1]
  local known = flows.get_any(u, id)
  -- Parts of it are there: whoever brought them counted fewer nodes to a call, and may have died.
  if known and known[F.state] == 's' then return { 'p' } end
  if known then return { 't', known[F.ns], known[F.shape], known[F.ids] } end
  if not_after > 0 and u.now > not_after then return { 'k' } end
  graph.check_ids(ids)
  graph.check_ids({ id })
  if #ids ~= #nodes or #nodes == 0 then call.refuse('invalid_arguments', 'nodes') end
  if graph.has_any(u, ids, #ids) then return { 'c' } end
  local refusal = graph.refusal(u, list, nodes, refused)
  if refusal then return refusal end
  graph.check_edges(nodes)
  local f = flows.draft(u, head, 'o')
  flows.create(u, id, f)
  flows.start_deadline(u, f)
  for place, node in ipairs(nodes) do
    graph.open(u, f, id, ids[place], node, ids, list[node[1]])
  end
  u.appends[#u.appends + 1] = { flows.key(u, id, 'members'), table.concat(ids) }
  return { 'a' }
end

return function(u, a)
  local list = a[1]
  local heads, answers = {}, {}
  for place, each in ipairs(a[2]) do heads[place] = each[1][1] end
  flows.load(u, heads)
  local refused = routes.ensure(u, list)
  for place, each in ipairs(a[2]) do answers[place] = submit(u, list, refused, each[1], each[2], each[3], each[4]) end
  flush.run(u)
  return answers
end
