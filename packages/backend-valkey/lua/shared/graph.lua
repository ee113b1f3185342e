-- Nodes as clients describe them, and how they are stored: a record, a group where there are upstreams, who these are, and
-- where the node's own edges lead.
--
-- A node is [route, priority, start, delay, policies, spec, hash, input, name, join, ins, outs]; the nth one's id is the nth
-- of the call's ids, and edges name their ends by place among these: `ins` are [upstream, name or ''], `outs` [downstream,
-- place in that one's group]. `join` is 0 without upstreams, else [kind, k, on decided, run on, settled, shared, ancestors].

local UUID = '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$'
local PRIORITY_MAX = 9000

local function refuse(what)
  call.refuse('invalid_arguments', what)
end

-- Whether ids are ids: members are found by their length.
function graph.check_ids(ids)
  for _, id in ipairs(ids) do
    if not string.find(id, UUID) then refuse('an id') end
  end
end

local KINDS = { a = true, n = true, q = true }
local ON_DECIDED = { c = true, l = true }
local RUN_ON = { s = true, i = true, a = true }

local function is_flag(value)
  return value == 0 or value == 1
end

local function check_join(join, n)
  if n == 0 then
    if join ~= 0 then refuse('a join without edges') end
    return
  end
  if type(join) ~= 'table' or not KINDS[join[1]] or type(join[2]) ~= 'number' or not ON_DECIDED[join[3]] or not RUN_ON[join[4]]
    or not is_flag(join[5]) or not is_flag(join[6]) or not ON_DECIDED[join[7]] then refuse('a join') end
  if join[1] == 'q' and (join[2] % 1 ~= 0 or join[2] < 1 or join[2] > n) then refuse('a quorum') end
end

-- Edges as they are stored: ids for places.
local function link(list, ids)
  local links = {}
  for place, edge in ipairs(list) do
    local id = ids[edge[1]]
    if id == nil then refuse('an edge') end
    links[place] = { id, edge[2] }
  end
  return links
end

local function is_named(ins)
  for _, edge in ipairs(ins) do
    if edge[2] ~= '' then return 1 end
  end
  return 0
end

-- A new group, in the order of `layouts.mjs`.
function graph.group(flow_id, join, ins)
  local n = #ins
  return {
    flow_id, join[1], join[2], join[3], join[4], join[5], join[6], join[7], 'p', 0, '', 0, n, 0, 0, 0, string.rep('p', n), '',
    is_named(ins), '',
  }
end

-- What a root becomes when it is given upstreams.
graph.PLAIN_JOIN = { 'a', 0, 'l', 's', 0, 0, 'c' }

function graph.set_ins(u, id, ins)
  u.ins[id] = ins
  u.links[#u.links + 1] = { id, 'in', ins }
end

function graph.set_outs(u, id, outs)
  u.outs[id] = outs
  u.links[#u.links + 1] = { id, 'out', outs }
end

local function add_record(u, flow_id, id, node, route)
  local own, asks = node[5], nil
  if type(own) == 'table' and #own == 3 then own, asks = own[1], demands.read(own[3]) end
  if not policy.is_valid(own) then refuse('policies') end
  if node[2] > PRIORITY_MAX then refuse('a priority') end
  local x = submits.draft(u, route[1], node[2], own, node[6], node[7], false)
  if asks then demands.begin(x, asks) end
  x[X.flow] = flow_id
  x[X.name] = node[9]
  x[X.deps] = #node[11] > 0 and 1 or 0
  x[X.outs] = #node[12] > 0 and 1 or 0
  x[X.always] = node[10] ~= 0 and node[10][4] == 'a' and 1 or 0
  transition.create(u, id, x)
  local input = call.bytes(u, node[8])
  if input then record.set_input(u, x, input) end
  transition.hold_until(u, x, node[3] > 0 and node[3] or u.now + node[4], 's')
  return x
end

local function add_links(u, flow_id, id, node, ids)
  local ins, outs = node[11], node[12]
  if #ins > 0 then
    local links = link(ins, ids)
    graph.set_ins(u, id, links)
    groups.create(u, id, graph.group(flow_id, node[10], links))
  end
  if #outs > 0 then graph.set_outs(u, id, link(outs, ids)) end
end

local function check(node, route)
  check_join(node[10], #node[11])
  if route == nil then refuse('a route') end
end

-- Stores a node with its links. Its state is the caller's business: see `graph.begin` and `release`.
function graph.add(u, flow_id, id, node, ids, route)
  check(node, route)
  local x = add_record(u, flow_id, id, node, route)
  add_links(u, flow_id, id, node, ids)
  return x
end

-- A draft's roots wait for its seal.
function graph.begin(u, f, x)
  if f[F.state] == 'd' and x[X.deps] == 0 then
    transition.set(x, 'u', '-', '-', '-', '-', '1')
    transition.announce(u, x)
  else
    transition.runnable(u, x, '1')
  end
end

-- Stores a node of a flow that begins with it, and lets it begin.
function graph.open(u, f, flow_id, id, node, ids, route)
  check(node, route)
  if nodes.accept(u, f, flow_id, id, node, route) then add_links(u, flow_id, id, node, ids)
  else graph.begin(u, f, graph.add(u, flow_id, id, node, ids, route)) end
end

-- Whether the edges of these nodes agree: each is among its upstream's and its downstream's, at the place that is said. Edges
-- that lead elsewhere are not looked at.
function graph.check_edges(nodes)
  local n = 0
  for from, node in ipairs(nodes) do
    for _, edge in ipairs(node[12]) do
      local down = nodes[edge[1]]
      if down then
        local back = down[11][edge[2]]
        if back == nil or back[1] ~= from then refuse('an edge') end
        n = n + 1
      end
    end
    for _, edge in ipairs(node[11]) do
      if nodes[edge[1]] then n = n - 1 end
    end
  end
  if n ~= 0 then refuse('edges') end
end

-- The first lane of the nodes that accepts nothing, or that has no room for a route: how that is answered, or nil.
function graph.refusal(u, list, nodes, refused)
  for _, node in ipairs(nodes) do
    local route = list[node[1]]
    if route == nil then refuse('a route') end
    local lane = lanes.of(u, route[3])
    if not lanes.accepts(lane) then return { 'l', route[3], lane.state } end
  end
  for _, node in ipairs(nodes) do
    if refused[list[node[1]][1]] then return { 'r', list[node[1]][3] } end
  end
  return nil
end

-- Whether one of the ids is an execution's already.
function graph.has_any(u, ids, n)
  local own = {}
  for place = 1, n do own[place] = ids[place] end
  record.load(u, own)
  for _, id in ipairs(own) do
    if record.is_taken(u, id) then return true end
  end
  return false
end

function graph.stage(u, staged)
  for _, each in ipairs(u.links) do
    staged.writes[#staged.writes + 1] = u.key.exec .. each[1] .. ':' .. each[2]
    staged.writes[#staged.writes + 1] = cmsgpack.pack(each[3])
  end
  for _, each in ipairs(u.names) do
    local fields = staged.hashes[each[1]] or {}
    staged.hashes[each[1]] = fields
    fields[#fields + 1] = each[2]
    fields[#fields + 1] = '1'
  end
  u.links, u.names = {}, {}
end
