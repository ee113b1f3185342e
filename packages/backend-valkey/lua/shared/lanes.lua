-- The partition's copies of lanes' settings, and how many slots of a capped lane it may use. A lane that nobody configured
-- has no copy, and costs nothing.

local DEFAULT = { state = 'active', retention = 86400000, events = 'terminal', ageing = nil, weight = 1, is_capped = false }
local STEP_WITHOUT_AGEING = 1000000000000

local STATES = { active = true, paused = true, draining = true, disabled = true }
local LEVELS = { all = true, terminal = true, none = true }

local function is_count(value)
  return type(value) == 'number' and value >= 0 and value <= 9007199254740991 and value % 1 == 0
end

-- Whether it has the form of `layouts.mjs`.
function lanes.is_record(record)
  if type(record) ~= 'table' or not STATES[record[L.state]] or not LEVELS[record[L.events]]
    or type(record[L.request]) ~= 'string' then return false end
  for place = L.version, L.active do
    if place ~= L.state and place ~= L.events and place ~= L.request and not is_count(record[place]) then return false end
  end
  return record[L.weight] > 0
end

local function copy_key(u, key)
  return u.key.idx .. 'lane:' .. key
end

local function decode(u, key, text)
  local ok, record = pcall(cmsgpack.unpack, text)
  if not ok or not lanes.is_record(record) then call.refuse('corruption', copy_key(u, key)) end
  return record
end

local function describe(key, record)
  return {
    key = key,
    record = record,
    state = record[L.state],
    retention = record[L.retention],
    events = record[L.events],
    ageing = record[L.ageing] ~= 0 and record[L.ageing] or nil,
    is_aged = record[L.aged] == 1,
    weight = record[L.weight],
    is_capped = record[L.concurrency] ~= 0,
    active_at_first = record[L.active],
    is_dirty = false,
  }
end

-- By `<namespace>/<lane>`; read once a call.
function lanes.of(u, key)
  local lane = u.lanes[key]
  if lane then return lane end
  local text = redis.call('GET', copy_key(u, key))
  lane = text and describe(key, decode(u, key, text)) or DEFAULT
  u.lanes[key] = lane
  return lane
end

function lanes.of_execution(u, x)
  local rid = x[X.rid]
  local lane = u.lanes_by_route[rid]
  if lane == nil then
    lane = lanes.of(u, routes.of(u, rid).key)
    u.lanes_by_route[rid] = lane
  end
  return lane
end

-- How many ms of waiting a priority is worth.
function lanes.step(lane)
  return lane.ageing or STEP_WITHOUT_AGEING
end

-- What a lane's executions queue by: earlier and of higher priority first.
function lanes.score(u, x)
  return x[X.ready_at] - x[X.priority] * lanes.step(lanes.of_execution(u, x))
end

function lanes.accepts(lane)
  return lane.state == 'active' or lane.state == 'paused'
end

function lanes.starts(lane)
  return lane.state == 'active' or lane.state == 'draining'
end

-- ---- Slots of capped lanes: the home lends each partition as many as it may use (see `lanes/take-credit`)

local function touch(u, lane)
  if lane.is_dirty then return end
  lane.is_dirty = true
  u.lanes_dirty = u.lanes_dirty or {}
  u.lanes_dirty[#u.lanes_dirty + 1] = lane
end

-- How many more may start here.
function lanes.room(lane)
  if not lane.is_capped then return math.huge end
  return math.max(0, lane.record[L.credit] - lane.record[L.active])
end

-- Takes over what the home has lent, unless a later message came before this one.
function lanes.lend(u, lane, epoch, credit, seq)
  if not lane.is_capped or epoch ~= lane.record[L.epoch] or seq <= lane.record[L.seq] then return end
  touch(u, lane)
  lane.record[L.credit] = credit
  lane.record[L.seq] = seq
end

-- Gives back what is not in use, unless a later message came before this one. Answers the number of the last one, or 0 where
-- the cap is another by now, and how many the home must reckon with as of then.
function lanes.lower(u, lane, epoch, seq)
  if not lane.is_capped or epoch ~= lane.record[L.epoch] then return 0, 0 end
  if seq > lane.record[L.seq] then
    touch(u, lane)
    lane.record[L.credit] = math.min(lane.record[L.credit], lane.record[L.active])
    lane.record[L.seq] = seq
  end
  return lane.record[L.seq], math.max(lane.record[L.credit], lane.record[L.active])
end

-- An execution became active, or is not active any more.
function lanes.moved(u, x, public)
  local lane = lanes.of_execution(u, x)
  if not lane.is_capped then return end
  touch(u, lane)
  lane.record[L.active] = math.max(0, lane.record[L.active] + (public == 'a' and 1 or -1))
  if public ~= 'a' then hints.freed(u, lane) end
end

-- ---- Changes of settings

local function rids_of(u, key)
  local rids = {}
  for _, rid in ipairs(redis.call('HKEYS', u.key.idx .. 'routes')) do
    if routes.of(u, rid).key == key then rids[#rids + 1] = rid end
  end
  return rids
end

local function count_active(u, rids)
  local n = 0
  for _, rid in ipairs(rids) do n = n + (tonumber(redis.call('HGET', u.key.idx .. 'counts', rid .. '.a') or '0')) end
  return n
end

-- Takes over settings of a higher version than the copy's. All slots of a new epoch are lent anew, so that the home knows
-- of every one in use; what runs is counted here.
function lanes.take_over(u, key, settings)
  local lane = lanes.of(u, key)
  local known = lane.record
  if known and known[L.version] >= settings[L.version] then return known end
  local rids = rids_of(u, key)
  if settings[L.concurrency] == 0 then
    settings[L.credit], settings[L.seq], settings[L.active] = 0, 0, 0
  elseif known and known[L.concurrency] ~= 0 and known[L.epoch] == settings[L.epoch] then
    settings[L.credit], settings[L.seq], settings[L.active] = known[L.credit], known[L.seq], known[L.active]
  else
    settings[L.credit], settings[L.seq], settings[L.active] = 0, 0, count_active(u, rids)
  end
  lane = describe(key, settings)
  u.lanes[key] = lane
  u.lanes_by_route = {}
  touch(u, lane)
  -- What waits here may be claimable now: whoever found nothing looks again.
  if lanes.starts(lane) then hints.reopened(u, lane, rids) end
  return settings
end

function lanes.stage(u, staged)
  if not call.has(u, 'lanes_dirty') then return end
  for _, lane in ipairs(u.lanes_dirty) do
    lane.is_dirty = false
    staged.writes[#staged.writes + 1] = copy_key(u, lane.key)
    staged.writes[#staged.writes + 1] = cmsgpack.pack(lane.record)
  end
  u.lanes_dirty = nil
end
