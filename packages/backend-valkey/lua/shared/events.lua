-- The partition's part of the change feed. Numbers are given here, in the step that makes the change, so that no reader
-- sees a number before all smaller ones. A call's events are one entry of the stream, up to a bound: who they are about by
-- route, then what happened, so that an entry can be read when all its executions, and their routes, are gone.

local PER_ENTRY = 64

-- Whether the feed shows it: members always, others as their lane says.
local function is_shown(u, x, public)
  if x[X.flow] ~= '' then return true end
  local level = lanes.of_execution(u, x).events
  if level == 'terminal' then return state.ended[public] or false end
  return level == 'all'
end

-- `before` is false for a new one.
function events.execution(u, x, before, public)
  if not is_shown(u, x, public) then return end
  local attempt = x[X.attempt]
  local list = u.news.events
  list[#list + 1] = {
    'x', record.id(u, x), routes.of(u, x[X.rid]), x[X.flow], x[X.name], public, before or '', attempt ~= 0 and attempt[A.index] + 1 or 0,
    x[X.generation], x[X.cause],
  }
end

function events.flow(u, f, before)
  local list = u.news.events
  list[#list + 1] = { 'f', u.flow_ids[f], f[F.ns], f[F.state], before or '', f[F.revision], f[F.generation] }
end

-- `outcome`: a accepted, s satisfied, b buffered.
function events.signal(u, x, id, waitpoint, name, outcome)
  if x[X.flow] == '' and lanes.of_execution(u, x).events ~= 'all' then return end
  local list = u.news.events
  list[#list + 1] = { 's', record.id(u, x), routes.of(u, x[X.rid]), x[X.flow], id, waitpoint, name, outcome }
end

-- Puts the place of its route where an event has the route.
local function place_routes(list, from, to)
  local told, places, part = {}, {}, {}
  for nth = from, to do
    local event = list[nth]
    if event[1] ~= 'f' and event[1] ~= 'b' then
      local route = event[3]
      if not places[route] then
        told[#told + 1] = { route.ns, route.lane, route.kind }
        places[route] = #told
      end
      event[3] = places[route]
    end
    part[#part + 1] = event
  end
  return { told, part }
end

function events.write(u)
  local list = u.news.events
  if #list == 0 then return end
  for from = 1, #list, PER_ENTRY do
    local to = math.min(from + PER_ENTRY - 1, #list)
    redis.call('XADD', u.key.idx .. 'events', string.format('%.0f-%d', u.events + 1, to - from + 1), 't', u.now,
      'e', cmsgpack.pack(place_routes(list, from, to)))
    u.events = u.events + to - from + 1
  end
  u.events_moved = true
  u.news.events = {}
  u.news.fed = true
end

-- ---- Reading

local ENTRIES_AT_ONCE = 16

local function numbers_of(id)
  local first, count = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(first), tonumber(count)
end

-- The first number that is kept: what was before it is gone.
function events.first(u)
  local found = redis.call('XRANGE', u.key.idx .. 'events', '-', '+', 'COUNT', 1)
  if not found[1] then return u.events + 1 end
  local first = numbers_of(found[1][1])
  return first
end

-- The entry that holds this number; nil when it is gone.
local function entry_of(u, number)
  local last = string.format('%.0f-18446744073709551615', number)
  local found = redis.call('XREVRANGE', u.key.idx .. 'events', last, '-', 'COUNT', 1)
  if not found[1] then return nil end
  local first, count = numbers_of(found[1][1])
  return first + count > number and found[1] or nil
end

-- When the event of this number happened; nil when it is gone.
function events.time_of(u, number)
  local entry = entry_of(u, number)
  return entry and tonumber(entry[2][2])
end

-- Entries from the one that holds a number on: [first number, time, place of its events] each, until they hold so many
-- events or bytes. Answers also whether that was all; nil when the number is not kept any more.
function events.read(u, number, count_max, bytes_max, bytes)
  if number > u.events then return {}, true end
  local holder = entry_of(u, number)
  if not holder then return nil end
  local from = holder[1]
  local entries, size = {}, 0
  while true do
    local found = redis.call('XRANGE', u.key.idx .. 'events', from, '+', 'COUNT', ENTRIES_AT_ONCE)
    for _, entry in ipairs(found) do
      local first, count = numbers_of(entry[1])
      bytes[#bytes + 1] = entry[2][4]
      entries[#entries + 1] = { first, tonumber(entry[2][2]), #bytes }
      size = size + #entry[2][4]
      local next_number = first + count
      if next_number > u.events then return entries, true end
      if next_number - number >= count_max or size >= bytes_max then return entries, false end
      from = '(' .. entry[1]
    end
    if #found < ENTRIES_AT_ONCE then return entries, true end
  end
end
