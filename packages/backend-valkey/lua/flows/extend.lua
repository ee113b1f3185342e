--- Adds nodes and edges to a draft or an open flow, as its caller saw it: at that revision, all or nothing. `targets` are
-- nodes that are there and are given more upstreams, `upstreams` such whose edges lead to more nodes; both name nodes by
-- their place in `ids`, which begin with those of the new nodes. Nodes that came in parts are named by the hash of these.
-- @flags
-- @repeat request
-- @brings submit
-- @args namespace: string, id: string, revision: int, handle: [execution: string, attempt: int, lease: string, epoch:
--   int][], hash: string, total: int, lanes: string[], routes: [rid: string, text: string, lane: string][], ids:
--   string[], nodes: [route: int, priority: int, startMs: int, delayMs: int, policy: unknown, spec: string, hash:
--   string, input: int, name: string, join: unknown, ins: [from: int, as: string][], outs: [to: int, place: int][]][],
--   targets: [node: int, known: int, edges: [from: int, as: string][]][], upstreams: [node: int, edges: [to: int, place:
--   int][]][]
-- @reply unknown[]
-- @errors corruption schema_mismatch invalid_arguments not_found
local function closed_lane(u, keys)
  for _, key in ipairs(keys) do
    local lane = lanes.of(u, key)
    if not lanes.accepts(lane) then return { 'l', key, lane.state } end
  end
end

-- In the documented order; what the caller judged by itself holds as long as the revision does.
local function find_refusal(u, a, f)
  local id, ids, nodes, targets = a[2], a[9], a[10], a[11]
  for _, handle in ipairs(a[4]) do
    local pass, _, _, known = fence.judge(u, { a[1] }, handle, 'e')
    if pass ~= 'held' then return { 'f', known } end
  end
  if f[F.state] ~= 'o' and f[F.state] ~= 'd' then return { 'n', f[F.state] } end
  if f[F.revision] ~= a[3] or graph.has_any(u, ids, #nodes) or not growth.is_as_seen(u, id, ids, targets, a[12]) then
    return { 'm' }
  end
  if a[5] ~= '' and (f[F.staging] ~= a[5] or f[F.staged] ~= a[6]) then
    return f[F.staging] == a[5] and { 's', f[F.staged] } or { 'b', f[F.release] > 0 }
  end
  local decided = growth.decided(u, ids, targets)
  if #decided > 0 then return { 'd', decided } end
  return closed_lane(u, a[7]) or graph.refusal(u, a[8], nodes, routes.ensure(u, a[8]))
end

local function add_names(u, id, f, nodes)
  if f[F.named] ~= f[F.members] - #nodes then return end
  f[F.named] = f[F.members]
  for _, node in ipairs(nodes) do
    if node[9] ~= '' then u.names[#u.names + 1] = { flows.key(u, id, 'names'), node[9] } end
  end
end

local function grow(u, a, f)
  local id, ids, nodes, targets = a[2], a[9], a[10], a[11]
  local joined, first, own = {}, {}, {}
  for _, target in ipairs(targets) do growth.block(u, id, ids[target[1]]) end
  for place, node in ipairs(nodes) do
    graph.begin(u, f, graph.add(u, id, ids[place], node, ids, a[8][node[1]]))
    own[place] = ids[place]
    if #node[11] > 0 then joined[#joined + 1] = ids[place] end
  end
  if #own > 0 then u.appends[#u.appends + 1] = { flows.key(u, id, 'members'), table.concat(own) } end
  for _, target in ipairs(targets) do
    growth.join(u, ids[target[1]], ids, target[3])
    joined[#joined + 1] = ids[target[1]]
    first[#joined] = target[2] + 1
  end
  for _, each in ipairs(a[12]) do growth.lead(u, ids[each[1]], ids, each[2]) end
  growth.check(u, ids, nodes, targets, a[12], a[5] == '')
  if a[5] ~= '' then staging.commit(u, id, f) else add_names(u, id, f, nodes) end
  if f[F.state] == 'd' then return end
  local touched = {}
  for place, node in ipairs(joined) do growth.count(u, f, node, touched, first[place] or 1) end
  judge.groups(u, touched)
  resolve.fresh(u)
end

return function(u, a)
  graph.check_ids(a[9])
  if #a[9] < #a[10] then call.refuse('invalid_arguments', 'ids') end
  local f = flows.find(u, a[1], a[2])
  local refusal = find_refusal(u, a, f)
  if refusal then return refusal end
  graph.check_edges(a[10])
  flows.touch(u, f)
  f[F.revision] = f[F.revision] + 1
  f[F.change] = f[F.change] + 1
  f[F.unprojected] = 1
  grow(u, a, f)
  events.flow(u, f, f[F.state])
  flush.run(u)
  return { 'e', f[F.revision], f[F.release] == 0 }
end
