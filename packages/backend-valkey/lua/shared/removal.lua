-- What goes for good, with everything that belongs to it: records whose time is over, and members of flows whose time is.

-- Keys of an execution beside its record, whether or not it has them.
local PARTS = { 'input', 'result', 'journal' }
local PARTS_OF_MEMBER = { 'group', 'in', 'out', 'fork' }

-- All keys under the id of an execution; its indexes are its record's business.
function removal.keys(u, id, is_member)
  local gone = u.gone
  for _, part in ipairs(PARTS) do gone[#gone + 1] = record.payload_key(u, id, part) end
  gone[#gone + 1] = attempts.key(u, id)
  gone[#gone + 1] = record.key(u, id)
  for _, key in ipairs({ streams.keys(u, id) }) do gone[#gone + 1] = key end
  if not is_member then return end
  for _, part in ipairs(PARTS_OF_MEMBER) do gone[#gone + 1] = record.payload_key(u, id, part) end
end

-- It leaves all indexes with this step; a route that it was the last one of goes too.
function removal.execution(u, x)
  local id = record.id(u, x)
  record.touch(u, x)[S.gone] = true
  u.records[id] = false
  removal.keys(u, id, x[X.flow] ~= '')
  if x[X.waits] then waits.remove(u, x) end
end

function removal.stage(u, staged)
  for _, key in ipairs(u.gone) do staged.unlinks[#staged.unlinks + 1] = key end
  u.gone = {}
end

local function write_leaving(leaving)
  if #leaving.add == 0 then redis.call('LPOP', leaving.key) end
  for _, chunk in ipairs(leaving.add) do redis.call('RPUSH', leaving.key, chunk) end
end

-- Members that are left. Part of the flush.
function removal.write(u)
  if u.leaving then write_leaving(u.leaving) end
  u.leaving = nil
end

-- ---- Flows. Its record goes first, so that nobody finds it half gone and its id is free; the ids of members that are left
-- wait in a list, in chunks. The wheel's entry stays until the last of them has gone.

local CHUNK = 100
local PARTS_OF_FLOW = { 'members', 'names', 'summary', 'replay', 'plan', 'frozen', 'parked', 'stage' }

local function leaving_key(u, id)
  return flows.key(u, id, 'leaving')
end

function removal.is_leaving(u, id)
  return redis.call('EXISTS', leaving_key(u, id)) == 1
end

local function remove_members(u, flow_id, text)
  local ids = {}
  for place = 1, #text, 36 do ids[#ids + 1] = string.sub(text, place, place + 35) end
  record.load(u, ids)
  local has_tuples = redis.call('EXISTS', u.key.idx .. 'pending_cancel_groups') == 1
  for _, id in ipairs(ids) do
    local x = u.records[id]
    if x then removal.execution(u, x) else removal.keys(u, id, true) end
    if has_tuples then u.tuples[#u.tuples + 1] = { flow_id .. '|' .. id, false } end
  end
end

-- The flow with its first members. Answers whether members are left.
function removal.flow(u, f)
  local id = u.flow_ids[f]
  local text = redis.call('GET', flows.key(u, id, 'members')) or ''
  flows.remove(u, f)
  for _, part in ipairs(PARTS_OF_FLOW) do u.gone[#u.gone + 1] = flows.key(u, id, part) end
  remove_members(u, id, string.sub(text, 1, 36 * CHUNK))
  local chunks = {}
  for from = 36 * CHUNK + 1, #text, 36 * CHUNK do chunks[#chunks + 1] = string.sub(text, from, from + 36 * CHUNK - 1) end
  if #chunks == 0 then return false end
  u.leaving = { key = leaving_key(u, id), add = chunks }
  return true
end

-- Its next members. Answers whether members are left.
function removal.next_members(u, id)
  local key = leaving_key(u, id)
  local text = redis.call('LINDEX', key, 0)
  if not text then return false end
  remove_members(u, id, text)
  u.leaving = { key = key, add = {} }
  return redis.call('LLEN', key) > 1
end
