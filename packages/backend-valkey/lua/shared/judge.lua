-- Decides groups as far as their counters allow, once, and lets their nodes go or skips them.

-- So that every attempt of the node sees the same, whatever its upstreams come to later.
local function record_what_it_sees(u, id, g)
  if g[G.named] ~= 1 then return end
  local ins, ids = groups.ins(u, id), {}
  for _, edge in ipairs(ins) do
    if edge[2] ~= '' then ids[#ids + 1] = edge[1] end
  end
  record.load(u, ids)
  local seen = {}
  for place, edge in ipairs(ins) do
    if edge[2] == '' then seen[place] = '--'
    else seen[place] = state.public(record.require(u, edge[1])) .. (groups.cell(g, place) == 's' and '1' or '0') end
  end
  g[G.seen] = table.concat(seen)
end

-- In a draft nothing is decided, in a replay nothing but what it reopens itself, and a policy that this version does not
-- know waits for one that does.
local function is_undecidable(f, g, spares)
  local letter = f[F.state]
  return letter == 'd' or (letter == 'p' and not spares) or not groups.is_known(g)
end

-- Answers s or i when it decides now, else false.
local function decide(u, f, id, g, spares)
  if is_undecidable(f, g, spares) or g[G.state] ~= 'p' then return false end
  local decision = groups.decide(g)
  if decision == 'p' then return false end
  groups.touch(u, id)
  g[G.state] = decision
  record_what_it_sees(u, id, g)
  local reason = spares and '' or groups.cancel_reason(g)
  if reason ~= '' then
    g[G.reason] = reason
    g[G.pending] = 1
    g[G.exempt] = ''
    u.tuples[#u.tuples + 1] = { g[G.flow] .. '|' .. id, true }
    hints.outbox(u)
  end
  return decision
end

-- Carries out the fate of a decided group's node. Answers whether it was skipped.
local function release_node(u, id, g)
  local x = record.require(u, id)
  groups.touch(u, id)
  g[G.released] = 1
  if state.is_terminal(x) then return false end
  local cause = outcomes.cancel_cause(u, x)
  if cause then
    transition.cancel(u, x, cause)
    return false
  end
  if not groups.runs(g) then
    transition.finish(u, x, 'k', 's')
    return true
  end
  transition.touch(u, x)
  x[X.deps] = 0
  transition.runnable(u, x, x[X.att])
  return false
end

local function let_go(u, f, id, g, spares)
  if is_undecidable(f, g, spares) or g[G.state] == 'p' or g[G.released] == 1 then return false end
  if g[G.settled] == 1 and not groups.is_complete(g) then return false end
  return release_node(u, id, g)
end

-- The first half: what each decides, s, i or false. `list`: [flow, id of the node, group].
function judge.decide(u, list, spares)
  local decided = {}
  for place, each in ipairs(list) do decided[place] = decide(u, each[1], each[2], each[3], spares) end
  return decided
end

-- The second half, for those that have decided. Answers whether each node was skipped.
function judge.let_go(u, list, decided, spares)
  local skipped = {}
  for place, each in ipairs(list) do skipped[place] = let_go(u, each[1], each[2], each[3], spares) end
  for place, each in ipairs(list) do
    if decided[place] then losers.rejudge(u, each[1], each[2]) end
  end
  return skipped
end

-- Judges the groups of these nodes: all decide first, and only then nodes move, so that no decision sees a node that
-- moved because of another one. Answers of each what it decided (s, i or false) and whether the node was skipped.
-- With `spares` no siblings are cancelled: in a replay they may be those that it is for.
function judge.groups(u, list, spares)
  local answers, decided = {}, judge.decide(u, list, spares)
  local skipped = judge.let_go(u, list, decided, spares)
  for place = 1, #list do answers[place] = { decided[place], skipped[place] } end
  return answers
end
