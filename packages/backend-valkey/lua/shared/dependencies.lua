-- The net under the dispatcher. In a healthy system it finds nothing.

-- Pending edges of these ended members, without changing anything: [node, group, cell, letter] each.
local function find_edges(u, ids)
  local ended, found = {}, {}
  for _, id in ipairs(ids) do
    local x = record.require(u, id)
    if state.is_terminal(x) and x[X.outs] == 1 then ended[#ended + 1] = id end
  end
  groups.load_outs(u, ended)
  for _, id in ipairs(ended) do
    local downs = {}
    for place, edge in ipairs(groups.outs(u, id)) do downs[place] = edge[1] end
    groups.load(u, downs)
    record.load(u, downs)
    for _, edge in ipairs(groups.outs(u, id)) do
      local g = groups.get(u, edge[1])
      if g and record.get(u, edge[1]) and groups.cell(g, edge[2]) == 'p' then
        found[#found + 1] = { edge[1], g, edge[2], groups.letter_of(record.get(u, id)) }
      end
    end
  end
  return found
end

local function count_edges(u, flow, found, items)
  for _, each in ipairs(found) do
    groups.set_cell(u, each[1], each[2], each[3], each[4])
    items[#items + 1] = { flow, 'edge_resolved', each[1] }
  end
  u.edges_left = u.edges_left - #found
end

local function judge_all(u, f, ids, found, items)
  local list, seen = {}, {}
  local function add(id)
    local g = groups.get(u, id)
    if g and not seen[id] then
      seen[id] = true
      list[#list + 1] = { f, id, g }
    end
  end
  for _, id in ipairs(ids) do add(id) end
  for _, each in ipairs(found) do add(each[1]) end
  for place, told in ipairs(judge.groups(u, list)) do
    local id, g = list[place][2], list[place][3]
    if not groups.is_known(g) then items[#items + 1] = { u.flow_ids[f], 'unknown_policy', id } end
    if told[1] then items[#items + 1] = { u.flow_ids[f], 'group_decided', id } end
  end
end

-- Looks at a flow's members from a place on, and repairs what it finds. Answers how many were looked at, and where
-- to go on, or 0. The caller resolves what this ends.
function dependencies.repair(u, id, from, max, items)
  local f = flows.get(u, id)
  if not f or not resolve.is_open(f) then return 1, 0 end
  local ids = members.ids(u, id, from, math.min(from + max - 1, f[F.members]))
  record.load(u, ids)
  groups.load(u, ids)
  local found = find_edges(u, ids)
  -- Entries are counted as they are stored, before this call adds to them.
  if #found > 0 or (f[F.open] == 0 and not flows.is_ended(f)) then settlement.recount(u, f) end
  count_edges(u, id, found, items)
  judge_all(u, f, ids, found, items)
  local next_from = from + #ids
  if #ids > 0 and next_from <= f[F.members] then return #ids, next_from end
  settlement.look(u, f)
  return #ids + 1, 0
end
