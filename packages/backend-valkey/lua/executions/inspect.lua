--- All that is stored of an execution, as it is, readable or not, for people: its record, group, edges, earlier attempts and
-- journal by name, and in which indexes it is. Says which of them there are, in this order; a key of a foreign type is told
-- with its type.
-- @flags no-writes
-- @args id: string
-- @reply [parts: [name: string, place: int][], indexes: [name: string, score: string][], keys: string[]]
-- @errors schema_mismatch
local NAMES = { 'core', 'group', 'in', 'out' }
local TYPES = { suspension = 'string', signal_index = 'zset', to_stop = 'zset', watchers = 'zset' }
local CLASSES = { 'open', 'ended', 'bad' }

local function type_of(key)
  return redis.call('TYPE', key).ok
end

-- Where a record says that it is, and where else it could be.
local function indexes_of(u, id, x)
  local idx, told = u.key.idx, {}
  local function look(name, member)
    if type_of(idx .. name) ~= 'zset' then return end
    local score = redis.call('ZSCORE', idx .. name, member)
    if score then told[#told + 1] = { name, score } end
  end
  look('timers', id)
  if not x then return told end
  look(x[X.demands] and lines.queue(x) or 'ready:' .. x[X.rid], project.ready_member(x, id))
  if x[X.attempt] ~= 0 then look('instance:' .. x[X.attempt][A.instance], id) end
  local is_sound, route = sound.try(routes.of, u, x[X.rid])
  if is_sound then
    for _, class in ipairs(CLASSES) do look('list:' .. class .. ':' .. route.ns, id) end
  end
  if x[X.kept] ~= 0 then
    local knows, has = sound.try(retention.has, u, x[X.kept], id)
    if knows and has then told[#told + 1] = { 'retention', string.format('%.0f', x[X.kept]) } end
  end
  return told
end

return function(u, a)
  local parts, bytes, keys = {}, {}, {}
  local function is_ours(key, expected)
    local found = type_of(key)
    if found == expected then return true end
    if found ~= 'none' then keys[#keys + 1] = key .. ' (' .. found .. ')' end
    return false
  end
  for _, name in ipairs(NAMES) do
    local key = record.payload_key(u, a[1], name)
    if is_ours(key, 'string') then
      bytes[#bytes + 1] = redis.call('GET', key)
      parts[#parts + 1] = { name, #bytes }
    end
  end
  if is_ours(attempts.key(u, a[1]), 'hash') then
    local history = redis.call('HGETALL', attempts.key(u, a[1]))
    for place = 1, #history, 2 do
      bytes[#bytes + 1] = history[place + 1]
      parts[#parts + 1] = { 'attempt ' .. history[place], #bytes }
    end
  end
  for _, name in ipairs({ 'input', 'result', 'journal' }) do
    local key = record.payload_key(u, a[1], name)
    if is_ours(key, name == 'journal' and 'hash' or 'string') then keys[#keys + 1] = key end
  end
  local durable, capped, heads = streams.keys(u, a[1])
  for _, each in ipairs({ { durable, 'stream' }, { capped, 'stream' }, { heads, 'hash' } }) do
    if is_ours(each[1], each[2]) then keys[#keys + 1] = each[1] end
  end
  for _, name in ipairs({ 'suspension', 'waitpoints', 'signals', 'signal_index', 'signal_keys', 'children', 'to_stop', 'watchers' }) do
    local key = record.payload_key(u, a[1], name)
    if is_ours(key, TYPES[name] or 'hash') then keys[#keys + 1] = key end
  end
  sound.records(u, { a[1] })
  return { parts, indexes_of(u, a[1], u.records[a[1]] or u.hidden[a[1]]), keys }, bytes
end
