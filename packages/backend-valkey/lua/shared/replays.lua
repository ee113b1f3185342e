-- Runs members of flows again as their next generation, with their descendants.

-- What a member's generation leaves behind goes, and what its flow knows of it; see `reopen.clear`.
local function clear(u, x, input, hash)
  transition.touch(u, x)
  members.forgive(u, x)
  losers.unmark(u, flows.require(u, x[X.flow]), x)
  reopen.clear(u, x, input, hash)
end

-- Whether it still is as the plan of its flow saw it, and may be replayed.
function replays.fits(x, flow, outcome)
  if not x or x[X.flow] ~= flow or x[X.out] ~= outcome then return false end
  return state.is_terminal(x) or x[X.deps] == 1
end

-- A pending sibling cancel of before does not want what runs again on purpose.
local function exempt(u, id)
  local outs, ids = groups.outs(u, id), {}
  for place, edge in ipairs(outs) do ids[place] = edge[1] end
  groups.load(u, ids)
  for _, edge in ipairs(outs) do
    local g = groups.get(u, edge[1])
    if g and g[G.pending] == 1 then
      groups.touch(u, edge[1])
      local marks = g[G.exempt] ~= '' and g[G.exempt] or string.rep('0', g[G.n])
      g[G.exempt] = string.sub(marks, 1, edge[2] - 1) .. '1' .. string.sub(marks, edge[2] + 1)
    end
  end
end

local function reset_group(u, id, g)
  groups.touch(u, id)
  if g[G.pending] == 1 then groups.clear_cancel(u, id, g) end
  g[G.state], g[G.released], g[G.reason], g[G.seen] = 'p', 0, '', ''
  groups.set_cells(u, id, g, { string.rep('p', g[G.n]) })
end

-- Clears these members, whose groups then wait for all their upstreams. `inputs`: by id, [new input or false, hash
-- of the old].
function replays.reset(u, ids, inputs)
  groups.load(u, ids)
  groups.load_outs(u, ids)
  for _, id in ipairs(ids) do exempt(u, id) end
  for _, id in ipairs(ids) do
    local fork = inputs[id] or {}
    clear(u, record.require(u, id), fork[1], fork[2])
  end
  for _, id in ipairs(ids) do
    local g = groups.get(u, id)
    if g then reset_group(u, id, g) end
  end
  for _, id in ipairs(ids) do
    local x = record.require(u, id)
    x[X.deps] = groups.get(u, id) and 1 or 0
    transition.runnable(u, x, reopen.pending(x))
  end
end

-- Once all are reset, whatever upstream has ended lies outside: its edges take what it came to.
function replays.count(u, id, g)
  local ins, ids, letters = groups.ins(u, id), {}, {}
  for place, edge in ipairs(ins) do ids[place] = edge[1] end
  record.load(u, ids)
  for place, edge in ipairs(ins) do
    local x = u.records[edge[1]]
    letters[place] = x and state.is_terminal(x) and groups.letter_of(x) or 'p'
  end
  groups.set_cells(u, id, g, letters)
end

-- The groups of these nodes, to be judged.
function replays.judged(u, f, ids)
  local list = {}
  groups.load(u, ids)
  for _, id in ipairs(ids) do
    local g = groups.get(u, id)
    if g then list[#list + 1] = { f, id, g } end
  end
  return list
end

-- ---- Flows

-- It is as if it had just been released, in its next generation. The state is the caller's to set.
function replays.reopen_flow(u, f)
  flows.touch(u, f)
  f[F.generation] = f[F.generation] + 1
  f[F.ended], f[F.kept] = 0, 0
  f[F.policy], f[F.finalisers], f[F.requested], f[F.cause] = '', 0, 0, ''
  f[F.live] = 1
  flows.start_deadline(u, f)
  aside.drop(u, flows.key(u, u.flow_ids[f], 'frozen'))
end

-- All in one step. `ids` in order of creation.
function replays.at_once(u, f, ids, inputs)
  replays.reopen_flow(u, f)
  flows.set_state(u, f, 'o')
  replays.reset(u, ids, inputs)
  local list = replays.judged(u, f, ids)
  for _, each in ipairs(list) do replays.count(u, each[2], each[3]) end
  judge.groups(u, list, true)
end
