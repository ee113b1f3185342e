-- What an extend does to nodes that are there already: their groups are given more upstreams, their own edges lead further.

-- Existing nodes that take no more edges: ended, claimed in this generation, or let go by a group that has decided.
function growth.decided(u, ids, targets)
  local list = {}
  for _, target in ipairs(targets) do
    local id = ids[target[1]]
    local x = record.require(u, id)
    local g = groups.get(u, id)
    if state.is_terminal(x) or x[X.epoch] > x[X.gen_epoch] or (g and g[G.state] ~= 'p') then list[#list + 1] = id end
  end
  return list
end

-- Whether all that the call names is as its caller saw it: members, and how many upstreams the targets have.
function growth.is_as_seen(u, flow_id, ids, targets, upstreams)
  local named = {}
  for _, each in ipairs(targets) do named[#named + 1] = ids[each[1]] or '' end
  for _, each in ipairs(upstreams) do named[#named + 1] = ids[each[1]] or '' end
  record.load(u, named)
  for _, id in ipairs(named) do
    local x = u.records[id]
    if not x or x[X.flow] ~= flow_id then return false end
  end
  for _, target in ipairs(targets) do
    if #groups.ins(u, ids[target[1]]) ~= target[2] then return false end
  end
  return true
end

-- A target waits again before anything new can be counted for it; a root gets a group of its own.
function growth.block(u, flow_id, id)
  local x = record.require(u, id)
  if not groups.get(u, id) then groups.create(u, id, graph.group(flow_id, graph.PLAIN_JOIN, {})) end
  if x[X.deps] == 1 then return end
  transition.touch(u, x)
  x[X.deps] = 1
  transition.runnable(u, x, x[X.att])
end

-- Gives a target more upstreams.
function growth.join(u, id, ids, edges)
  local g, ins = groups.get(u, id), groups.ins(u, id)
  groups.touch(u, id)
  for _, edge in ipairs(edges) do
    if ids[edge[1]] == nil then call.refuse('invalid_arguments', 'an edge') end
    ins[#ins + 1] = { ids[edge[1]], edge[2] }
    if edge[2] ~= '' then g[G.named] = 1 end
  end
  g[G.cells] = g[G.cells] .. string.rep('p', #edges)
  g[G.n] = g[G.n] + #edges
  graph.set_ins(u, id, ins)
end

-- Edges of a node that was there lead to more nodes.
function growth.lead(u, id, ids, edges)
  local x, outs = record.require(u, id), groups.outs(u, id)
  if x[X.outs] ~= 1 then
    record.touch(u, x)
    x[X.outs] = 1
  end
  for _, edge in ipairs(edges) do
    if ids[edge[1]] == nil then call.refuse('invalid_arguments', 'an edge') end
    outs[#outs + 1] = { ids[edge[1]], edge[2] }
  end
  graph.set_outs(u, id, outs)
end

-- Whether the new edges between nodes that were there and others agree: each is among the upstreams of the node that it leads
-- to, at the place that is said. Those of nodes that came in parts are not looked at.
function growth.check(u, ids, nodes, targets, upstreams, is_whole)
  local n = 0
  local function look(from, edges)
    for _, edge in ipairs(edges) do
      if from > #nodes or edge[1] > #nodes then
        local ins = u.ins[ids[edge[1]] or '']
        local has = ins and ins[edge[2]]
        if has and has[1] ~= ids[from] or is_whole and not has then call.refuse('invalid_arguments', 'an edge') end
        n = n + 1
      end
    end
  end
  for place, node in ipairs(nodes) do
    look(place, node[12])
    for _, edge in ipairs(node[11]) do
      if edge[1] > #nodes then n = n - 1 end
    end
  end
  for _, each in ipairs(upstreams) do look(each[1], each[2]) end
  for _, target in ipairs(targets) do n = n - #target[3] end
  if is_whole and n ~= 0 then call.refuse('invalid_arguments', 'edges') end
end

-- Edges from upstreams that have ended are born resolved: those from this place on, since what ended before leads to the
-- others from the outbox. Appends the groups that this touched.
function growth.count(u, f, id, touched, first)
  local g = groups.get(u, id)
  if not g then return 0 end
  local ins, ids = groups.ins(u, id), {}
  for place, edge in ipairs(ins) do ids[place] = edge[1] end
  record.load(u, ids)
  local has_counted = false
  for place = first, #ins do
    local up = u.records[ins[place][1]]
    if up and state.is_terminal(up) and groups.cell(g, place) == 'p' then
      groups.set_cell(u, id, g, place, groups.letter_of(up))
      has_counted = true
    end
  end
  if has_counted then touched[#touched + 1] = { f, id, g } end
  return #ins
end
