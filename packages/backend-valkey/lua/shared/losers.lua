-- Upstreams that a decided race does not want any more: cancelled, unless another join still needs them; and what
-- only they needed goes with them. A work list instead of recursion: graphs may be deep.

-- How many edges are looked at ahead with one read.
local AHEAD = 64

-- Members that one call cancels as losers: what is left goes on through the outbox.
local PER_CALL = 100

-- Whether somebody downstream may still want what it does.
function losers.is_needed(u, id)
  local outs = groups.outs(u, id)
  for from = 1, #outs, AHEAD do
    local ids = {}
    for place = from, math.min(from + AHEAD - 1, #outs) do ids[#ids + 1] = outs[place][1] end
    groups.load(u, ids)
    record.load(u, ids)
    for _, down in ipairs(ids) do
      local g, x = groups.get(u, down), record.get(u, down)
      if g and x and g[G.state] == 'p' and g[G.run_on] ~= 'a' and not state.is_terminal(x) then return true end
    end
  end
  return false
end

local function mark(u, f, x, cause, ancestors)
  if x[X.wanted] ~= '' then return end
  transition.touch(u, x)
  x[X.wanted] = cause
  x[X.wanted_anc] = ancestors
  flows.touch(u, f)
  f[F.wanted] = f[F.wanted] + 1
end

function losers.unmark(u, f, x)
  if x[X.wanted] == '' then return end
  transition.touch(u, x)
  x[X.wanted] = ''
  x[X.wanted_anc] = ''
  flows.touch(u, f)
  f[F.wanted] = math.max(0, f[F.wanted] - 1)
end

local function cancel_one(u, f, id, cause, ancestors, stack, told)
  local x = record.require(u, id)
  u.losers = (u.losers or 0) + 1
  told[#told + 1] = { id, 'cancelled', cause }
  transition.cancel(u, x, cause)
  losers.unmark(u, f, x)
  if ancestors == 'l' then return end
  local ins = groups.ins(u, id)
  for place = #ins, 1, -1 do stack[#stack + 1] = ins[place][1] end
end

-- What this call has no room for, each with its generation: a replay in between wants it to run.
local function leave(u, f, stack, ancestors)
  local rest, seen = {}, {}
  record.load(u, stack)
  for _, id in ipairs(stack) do
    local x = u.records[id]
    if x and not seen[id] and not state.is_terminal(x) then
      seen[id] = true
      rest[#rest + 1] = { id, x[X.generation] }
    end
  end
  if #rest > 0 then outbox.put(u, { 'w', u.flow_ids[f], ancestors, 0, 1, 0, 0, rest }) end
end

-- Ancestors from the top of the stack on. Depth first: whether one is needed is asked when its turn comes, after what was
-- cancelled before it.
local function follow(u, f, stack, ancestors, told)
  while #stack > 0 do
    if u.losers >= PER_CALL then return leave(u, f, stack, ancestors) end
    local id = table.remove(stack)
    local x = record.get(u, id)
    if x and not state.is_terminal(x) then
      if losers.is_needed(u, id) then
        mark(u, f, x, 'ancestor', ancestors)
        told[#told + 1] = { id, 'spared', 'ancestor' }
      else
        cancel_one(u, f, id, 'ancestor', ancestors, stack, told)
      end
    end
  end
end

-- Cancels one that lost, and what only it fed: nobody runs on for nobody. Tells what became of each.
function losers.cancel(u, f, id, cause, ancestors, told)
  local stack = {}
  cancel_one(u, f, id, cause, ancestors, stack, told)
  follow(u, f, stack, ancestors, told)
end

-- Goes on with ancestors that an earlier call had no room for.
function losers.carry(u, f, item)
  local stack = {}
  for _, each in ipairs(item[8]) do
    local x = record.get(u, each[1])
    if x and x[X.generation] == each[2] then stack[#stack + 1] = each[1] end
  end
  u.losers = u.losers or 0
  follow(u, f, stack, item[3], {})
end

-- Carries out the sibling cancel of a fired group, up to so many members: its pending cells are the work list. Tuple
-- and flag go last. Answers whether it is done.
function losers.drain(u, f, id, g, max, told)
  local ins, ids = groups.ins(u, id), {}
  u.losers = u.losers or 0
  for place, edge in ipairs(ins) do
    if groups.cell(g, place) == 'p' then ids[#ids + 1] = edge[1] end
  end
  record.load(u, ids)
  for place, edge in ipairs(ins) do
    if groups.cell(g, place) == 'p' and string.sub(g[G.exempt], place, place) ~= '1' then
      local sibling = record.get(u, edge[1])
      if not sibling then
        told[#told + 1] = { edge[1], 'not_found', 'sibling' }
      elseif state.is_terminal(sibling) then
        told[#told + 1] = { edge[1], 'already_terminal', 'sibling' }
      elseif g[G.shared] == 0 and losers.is_needed(u, edge[1]) then
        mark(u, f, sibling, 'sibling', g[G.ancestors])
        told[#told + 1] = { edge[1], 'spared', 'sibling' }
      else
        if u.losers >= math.min(max, PER_CALL) then return false end
        losers.cancel(u, f, edge[1], 'sibling', g[G.ancestors], told)
      end
    end
  end
  groups.clear_cancel(u, id, g)
  return true
end

-- Losers that were spared because this node needed them may be needed no more.
function losers.rejudge(u, f, id)
  if f[F.wanted] == 0 then return end
  local ins, ids = groups.ins(u, id), {}
  for place, edge in ipairs(ins) do ids[place] = edge[1] end
  record.load(u, ids)
  for _, up in ipairs(ids) do
    local x = record.get(u, up)
    if x and x[X.wanted] ~= '' and not state.is_terminal(x) and not losers.is_needed(u, up) then
      losers.cancel(u, f, up, x[X.wanted], x[X.wanted_anc], {})
    end
  end
end
