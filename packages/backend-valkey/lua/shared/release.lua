-- Members that are let go bit by bit: roots of a sealed draft, and members of a graph that came in parts, which exist since
-- its commit, but are in no index yet. An entry of the outbox stands until it is done, so that whoever began it may die.

-- Members that one call looks at, and edges into members that arrive.
local LOOKS_MAX = 500
local EDGES_MAX = 1000

-- From this place on. Is one already under way, it goes back there.
function release.begin(u, f, from)
  flows.touch(u, f)
  f[F.release] = f[F.release] == 0 and from or math.min(f[F.release], from)
end

-- What this call did not get to is the dispatcher's, unless the caller comes again before it.
function release.leave(u, id, f)
  if f[F.release] == 0 or f[F.release_entry] ~= '' then return end
  f[F.release_entry] = outbox.put(u, { 'r', id, '', f[F.generation], 1, 0 })
end

local function is_root_of_draft(f, x)
  return f[F.state] == 'd' and x[X.deps] == 0
end

-- A member of a staged graph comes into the indexes and the feed: it was created when the graph was committed. Whatever changes it
-- before its turn begins with this; its upstreams are looked at when its turn comes.
function release.member(u, x)
  local f = flows.require(u, x[X.flow])
  record.touch(u, x)
  x[X.staged] = 2
  if x[X.created] < f[F.created] then x[X.created] = f[F.created] end
  members.arrive(u, f)
  u.slips[x][S.said] = false
  graph.begin(u, f, x)
end

-- Goes on where it left off, with at most so many members that change. Answers whether it is done. The caller resolves what
-- this ends.
function release.batch(u, id, f, max)
  if f[F.release] == 0 then return true end
  flows.touch(u, f)
  local from = f[F.release]
  local ids = members.ids(u, id, from, math.min(from + LOOKS_MAX - 1, f[F.members]))
  if #ids == 0 then call.refuse('corruption', flows.key(u, id, 'members')) end
  record.load(u, ids)
  local changed, edges, touched = 0, 0, {}
  local at = from
  for _, member in ipairs(ids) do
    if changed >= max or edges >= EDGES_MAX then break end
    local x = record.require(u, member)
    if x[X.staged] ~= 0 then
      if x[X.staged] == 1 then release.member(u, x) end
      record.touch(u, x)
      x[X.staged] = 0
      -- Upstreams that ended before their edges came lead nowhere any more.
      if f[F.state] ~= 'd' then edges = edges + growth.count(u, f, member, touched, 1) end
      changed = changed + 1
    elseif x[X.phase] == 'u' and not is_root_of_draft(f, x) then
      transition.runnable(u, x, x[X.att])
      changed = changed + 1
    end
    at = at + 1
  end
  judge.groups(u, touched)
  f[F.release] = at <= f[F.members] and at or 0
  if f[F.release] > 0 then return false end
  if f[F.release_entry] ~= '' then outbox.remove(u, f[F.release_entry]) end
  f[F.release_entry] = ''
  return true
end

-- The dispatcher's part, for the entry of that id. Answers whether it is done; the entry goes with the last batch.
function release.carry(u, entry_id, item, max)
  if item[1] ~= 'r' then call.refuse('invalid_arguments', 'an entry') end
  local f = flows.get(u, item[2])
  if not f or f[F.release_entry] ~= entry_id then
    outbox.remove(u, entry_id)
    return true
  end
  return release.batch(u, item[2], f, max)
end
