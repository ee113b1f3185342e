-- What has ended is kept on a wheel: a list for each second, and one sorted set that says which seconds there are. A
-- million kept executions cost a short list entry each, and adding one costs the same however many there are. An entry is
-- `<ms>:<id>`, of a flow `<ms>:f<id>`. It counts only as long as the record names the same time: what was replayed, and
-- ended again, has another one.

local function list_key(u, second)
  return u.key.idx .. 'kept:' .. second
end

local function second_of(at)
  return string.format('%.0f', math.floor(at / 1000))
end

function retention.entry(at, what)
  return string.format('%.0f', at) .. ':' .. what
end

-- What ends in one call mostly is kept until the same time: its list and the beginning of its entries are made once.
function retention.keep(staged, at, what)
  local slot = staged.slots[at]
  if slot == nil then
    local second = second_of(at)
    local list = staged.kept[second] or {}
    staged.kept[second] = list
    slot = { list, string.format('%.0f', at) .. ':' }
    staged.slots[at] = slot
  end
  local list = slot[1]
  list[#list + 1] = slot[2] .. what
end

-- ---- What is due

-- Up to `max` seconds that have begun, the oldest first.
function retention.seconds(u, max)
  return redis.call('ZRANGE', u.key.idx .. 'retention', '-inf', second_of(u.now), 'BYSCORE', 'LIMIT', 0, max)
end

-- The first entries of a second. An id has 36 characters, and may begin with an f itself.
function retention.entries(u, second, max)
  local list = {}
  for place, text in ipairs(redis.call('LRANGE', list_key(u, second), 0, max - 1)) do
    local at, what = string.match(text, '^(%d+):(.+)$')
    if at == nil then call.refuse('corruption', list_key(u, second)) end
    local is_flow = #what == 37
    list[place] = { text = text, at = tonumber(at), id = is_flow and string.sub(what, 2) or what, is_flow = is_flow }
  end
  return list
end

local LOOK = 1000

-- Whether anything is due. A second may have begun before its first entry is.
function retention.is_due(u)
  local seconds = retention.seconds(u, 2)
  if seconds[1] == nil then return false end
  if seconds[2] or seconds[1] ~= second_of(u.now) then return true end
  for _, entry in ipairs(retention.entries(u, seconds[1], LOOK)) do
    if entry.at <= u.now then return true end
  end
  return false
end

-- Whether the wheel has this entry.
function retention.has(u, at, what)
  return redis.call('LPOS', list_key(u, second_of(at)), retention.entry(at, what)) ~= false
end

-- ---- Changes, which the flush writes

-- Takes the first n entries off a second, but for those that are to stay.
function retention.take(u, second, n, staying)
  u.wheel[#u.wheel + 1] = { second = second, taken = n, staying = staying }
end

-- Takes off an entry that is not far from the beginning of its second: those that are due are.
function retention.drop(u, at, what)
  u.wheel[#u.wheel + 1] = { second = second_of(at), entry = retention.entry(at, what) }
end

-- Puts an entry that was taken off to a later time, where nothing can be done about it now.
function retention.postpone(u, entry, at)
  u.wheel[#u.wheel + 1] = { second = second_of(at), later = retention.entry(at, (entry.is_flow and 'f' or '') .. entry.id) }
end

-- Asks for the types of what will be written.
function retention.probe(u, staged)
  local turns = call.has(u, 'wheel')
  if next(staged.kept) == nil and not turns then return end
  redis.call('ZCARD', u.key.idx .. 'retention')
  for second in pairs(staged.kept) do redis.call('LLEN', list_key(u, second)) end
  if not turns then return end
  for _, change in ipairs(u.wheel) do redis.call('LLEN', list_key(u, change.second)) end
end

local function write_change(u, change)
  local key = list_key(u, change.second)
  if change.later then
    redis.call('RPUSH', key, change.later)
    redis.call('ZADD', u.key.idx .. 'retention', change.second, change.second)
    return
  end
  if change.entry then
    redis.call('LREM', key, 1, change.entry)
  else
    redis.call('LTRIM', key, change.taken, -1)
    for place = #change.staying, 1, -1 do redis.call('LPUSH', key, change.staying[place]) end
  end
  if redis.call('LLEN', key) == 0 then redis.call('ZREM', u.key.idx .. 'retention', change.second) end
end

function retention.write(u, staged)
  if call.has(u, 'wheel') then
    for _, change in ipairs(u.wheel) do write_change(u, change) end
    u.wheel = nil
  end
  if next(staged.kept) == nil then return end
  local seconds = {}
  for second, list in pairs(staged.kept) do
    redis.call('RPUSH', list_key(u, second), unpack(list))
    seconds[#seconds + 1] = second
    seconds[#seconds + 1] = second
  end
  redis.call('ZADD', u.key.idx .. 'retention', unpack(seconds))
end
