-- Carries ends on to their downstreams. What one step ended is carried on together: all ends count in the groups
-- that they lead to, then these decide, and only then nodes move; what that ends is the next wave.

-- How many edges are looked at ahead with one read.
local AHEAD = 64

-- An end of a member, as all here know it: its edges from this place on are to be looked at.
function resolve.end_of(u, x, generation, from)
  return {
    id = record.id(u, x), flow = x[X.flow], generation = generation, from = from, letter = groups.letter_of(x),
    has_outs = x[X.outs] == 1,
  }
end

-- Whether the edge at this place of an end's list was counted: 'pending', 'counted' or 'corrupt', with the group.
local function look(u, outs, place)
  local edge = outs[place]
  if type(edge) ~= 'table' then return 'corrupt' end
  local g = u.groups[edge[1]]
  if not g or not u.records[edge[1]] then return 'corrupt' end
  if groups.cell(g, edge[2]) == 'p' then return 'pending', g end
  return 'counted'
end

-- What does not decode stays unread: its edge is corrupt, and its neighbours are unharmed.
local function read_ahead(u, outs, from, to)
  local ids = {}
  for place = from, math.min(#outs, to) do
    if type(outs[place]) == 'table' then ids[#ids + 1] = outs[place][1] end
  end
  groups.load(u, ids, {})
  record.load(u, ids, {})
end

-- Counts at most `max` pending edges of an end, from its place on. Answers how many, the downstreams, the place to go on
-- from or nil, and unreadable edges.
local function count(u, each, max)
  local id, letter = each.id, each.letter
  local outs = u.outs[id] or {}
  local one = { edges = 0, downs = {}, corrupt = {}, satisfied = 0, impossible = 0, skipped = 0 }
  for place = each.from, #outs do
    if (place - each.from) % AHEAD == 0 then read_ahead(u, outs, place, place + AHEAD - 1) end
    local what, g = look(u, outs, place)
    if what == 'corrupt' then
      local down = type(outs[place]) == 'table' and outs[place][1] or ''
      one.corrupt[#one.corrupt + 1] = { id .. '>' .. down, place }
    elseif what == 'pending' then
      if one.edges == max then
        one.rest = place
        return one
      end
      groups.set_cell(u, outs[place][1], g, outs[place][2], letter)
      one.edges = one.edges + 1
      one.downs[#one.downs + 1] = outs[place][1]
    end
  end
  return one
end

-- Where the edges of these ends lead, of those that have any. Answers the ids of which that does not decode.
local function load_outs(u, list)
  local ids, bad = {}, {}
  for _, each in ipairs(list) do
    if each.has_outs then ids[#ids + 1] = each.id end
  end
  groups.load_outs(u, ids, bad)
  return bad
end

-- One hop of ends: at most `per_end` edges of each and `in_all` of all. Answers of each what `count`
-- does, with how many groups it satisfied, made impossible, and nodes it skipped; false where its edges could not be
-- read.
function resolve.hops(u, list, per_end, in_all)
  local bad = load_outs(u, list)
  local counted, touched, last_of = {}, {}, {}
  local left = in_all
  for place, each in ipairs(list) do
    counted[place] = not bad[each.id] and count(u, each, math.min(left, per_end))
    for _, down in ipairs(counted[place] and counted[place].downs or {}) do
      if not last_of[down] then touched[#touched + 1] = { flows.require(u, each.flow), down, u.groups[down] } end
      last_of[down] = place
    end
    left = left - (counted[place] and counted[place].edges or 0)
  end
  -- A group's decision is the work of the last of the ends that lead to it.
  for place, told in ipairs(judge.groups(u, touched)) do
    local one = counted[last_of[touched[place][2]]]
    if told[1] == 's' then one.satisfied = one.satisfied + 1 elseif told[1] == 'i' then one.impossible = one.impossible + 1 end
    if told[2] then one.skipped = one.skipped + 1 end
  end
  return counted
end

-- Where an end of which edges are left goes on, or nil.
function resolve.rest_of(one)
  return one.corrupt[1] and one.corrupt[1][2] or one.rest
end

-- An entry about an end went.
function resolve.forget(u, f)
  flows.touch(u, f)
  f[F.entries] = math.max(0, f[F.entries] - 1)
  settlement.look(u, f)
end

-- The last edge of an end was looked at.
function resolve.conclude(u, each)
  local f = flows.require(u, each.flow)
  flows.touch(u, f)
  f[F.entries] = math.max(0, f[F.entries] - 1)
  losers.rejudge(u, f, each.id)
  settlement.look(u, f)
end

-- Ends that can be carried on now: a draft's wait for its seal, a replaying flow's for the end of the replay, and while a
-- flow's members are ended in several steps nothing is decided as if that were over.
function resolve.is_open(f)
  return f[F.state] ~= 'd' and f[F.state] ~= 'p' and f[F.walk] <= 0
end

-- Resolves what this step ended, wave by wave: of each end up to so many edges, and of those that come of it as many
-- in all; what is left stays in the outbox.
function resolve.fresh(u)
  if #u.fresh == 0 then return end
  local left = math.min(u.inline * #u.fresh, u.edges_left)
  while #u.fresh > 0 do
    local wave = {}
    for _, each in ipairs(u.fresh) do
      if left > 0 and resolve.is_open(flows.require(u, each.flow)) then wave[#wave + 1] = each
      else outbox.put_completion(u, each, each.from) end
    end
    u.fresh = {}
    local counted = resolve.hops(u, wave, u.inline, left)
    for place, one in ipairs(counted) do
      local each = wave[place]
      local rest = not one and each.from or one and resolve.rest_of(one)
      left = left - (one and one.edges or 0)
      u.edges_left = u.edges_left - (one and one.edges or 0)
      if rest then outbox.put_completion(u, each, rest) else resolve.conclude(u, each) end
    end
  end
end
