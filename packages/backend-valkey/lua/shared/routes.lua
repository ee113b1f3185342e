-- Routes: namespace, lane, kind and required capabilities, interned under an id that is a hash of them. So an id means
-- the same in every partition and process, and what it stands for may be kept here for as long as this library is loaded.

local known, count = {}, 0
local KNOWN_MAX = 20000

-- Live routes of a lane may not grow without bound: a claim looks at each that it serves.
local PER_LANE_MAX = 1024
local LIVE_LETTERS = { 'w', 'm', 'd', 'b', 'q', 'a', 's' }

local function remember(rid, text)
  local ok, route = pcall(cjson.decode, text)
  if not ok or type(route) ~= 'table' or type(route[1]) ~= 'string' or type(route[2]) ~= 'string'
    or type(route[3]) ~= 'string' or type(route[4]) ~= 'table' then return nil end
  if count >= KNOWN_MAX then known, count = {}, 0 end
  known[rid] = { ns = route[1], lane = route[2], kind = route[3], capabilities = route[4], key = route[1] .. '/' .. route[2] }
  count = count + 1
  return known[rid]
end

-- The route of a stored execution.
function routes.of(u, rid)
  local route = known[rid]
  if route then return route end
  local text = redis.call('HGET', u.key.idx .. 'routes', rid)
  route = text and remember(rid, text)
  if not route then call.refuse('corruption', u.key.idx .. 'routes ' .. rid) end
  return route
end

-- Makes sure that these can be stored here: a list of [rid, JSON]. One command. Answers which could not be taken, by rid.
function routes.ensure(u, list)
  local refused = {}
  if #list == 0 then return refused end
  local ids = {}
  for place, route in ipairs(list) do ids[place] = route[1] end
  local found = redis.call('HMGET', u.key.idx .. 'routes', unpack(ids))
  for place, route in ipairs(list) do
    if not found[place] then
      local new = remember(route[1], route[2])
      if not new then call.refuse('invalid_arguments', 'a route') end
      if not u.offered[route[1]] then
        -- Counted once a call: a graph may bring a hundred new ones.
        u.lane_routes[new.key] = u.lane_routes[new.key] or routes.count_of_lane(u, new.key)
        if u.lane_routes[new.key] >= PER_LANE_MAX then
          refused[route[1]] = true
        else
          u.lane_routes[new.key] = u.lane_routes[new.key] + 1
          u.offered[route[1]] = route[2]
        end
      end
    end
  end
  return refused
end

-- Whether anything is counted under it in a state that these letters say, or as a part of a graph that is on its way.
local function is_counted(u, rid, letters)
  local cells = { rid .. '.' .. project.HIDDEN }
  for place, letter in ipairs(letters) do cells[place + 1] = rid .. '.' .. letter end
  for _, count in ipairs(redis.call('HMGET', u.key.idx .. 'counts', unpack(cells))) do
    if count then return true end
  end
  return false
end

-- How many live routes of the lane this partition has, those of this call included. Rare: only where a new one comes; and
-- which of them are live is looked at only where there are so many.
function routes.count_of_lane(u, key)
  local stored, n = {}, 0
  for _, rid in ipairs(redis.call('HKEYS', u.key.idx .. 'routes')) do
    if routes.of(u, rid).key == key then stored[#stored + 1] = rid end
  end
  for rid in pairs(u.offered) do
    if known[rid].key == key then n = n + 1 end
  end
  if #stored + n < PER_LANE_MAX then return #stored + n end
  for _, rid in ipairs(stored) do
    if is_counted(u, rid, LIVE_LETTERS) then n = n + 1 end
  end
  return n
end

-- A record of this route is created: only now is it stored.
function routes.use(u, rid)
  if call.has(u, 'offered') and u.offered[rid] then u.routes[rid] = u.offered[rid] end
end

-- ---- Routes go with the last record that is counted under them.

local LETTERS = { 'w', 'm', 'd', 'b', 'q', 'a', 's', 'c', 'f', 'x', 'e', 'k' }

-- Part of the flush, after the counts.
function routes.write(u, staged)
  for rid in pairs(staged.freed) do
    if not is_counted(u, rid, LETTERS) then redis.call('HDEL', u.key.idx .. 'routes', rid) end
  end
  if not call.has(u, 'routes') then return end
  local added = 0
  for rid, text in pairs(u.routes) do
    redis.call('HSET', u.key.idx .. 'routes', rid, text)
    added = added + 1
  end
  if added > 0 then redis.call('HINCRBY', u.key.meta, 'routes', added) end
  u.routes = nil
end

-- Raised by each route that was new here, as of the beginning of the call: what it brings itself is known to its caller.
function routes.version(u)
  return u.routes_version
end
