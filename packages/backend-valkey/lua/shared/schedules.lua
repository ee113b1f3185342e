-- Schedules, in the partition of the quota family that their names hash to: a hash each, whose texts are written and read by
-- the processes alone; an index of who is due when, and for each namespace one by label. A name is `<namespace>/<id>`.

local function key_of(u, name)
  return u.key.root .. ':schedule:' .. u.key.tag .. ':' .. name
end

function schedules.due_index(u)
  return u.key.idx .. 'schedules_due'
end

-- All members have the same score, so that they stand in the order of their bytes: labels hold no NUL.
local function label_index(u, namespace)
  return u.key.idx .. 'schedules:' .. namespace
end

local function parts_of(name)
  local namespace, id = string.match(name, '^([^/]+)/(.+)$')
  if not namespace then call.refuse('invalid_arguments', 'a name') end
  return namespace, id
end

local function label_member(name, label)
  local _, id = parts_of(name)
  return label .. '\0' .. id
end

-- [name, label, version, due or -1, definition, progress, work] or nil.
function schedules.get(u, name)
  local found = redis.call('HMGET', key_of(u, name), 'label', 'version', 'due', 'definition', 'progress', 'work')
  if not found[1] and not found[2] then return nil end
  local version, due = tonumber(found[2] or ''), tonumber(found[3] or '')
  if not (found[1] and version and due and found[4] and found[5] and found[6]) then
    call.refuse('corruption', key_of(u, name))
  end
  return { name, found[1], version, due, found[4], found[5], found[6] }
end

-- Writes it at that version; what is '' stays as `known` has it. All keys are asked for their type before the first write.
function schedules.write(u, name, known, version, due, progress, label, definition, work)
  redis.call('ZCARD', schedules.due_index(u))
  redis.call('ZCARD', label_index(u, (parts_of(name))))
  local key = key_of(u, name)
  if label ~= '' then
    redis.call('HSET', key, 'label', label, 'version', version, 'due', due, 'progress', progress, 'definition', definition, 'work', work)
  else
    redis.call('HSET', key, 'version', version, 'due', due, 'progress', progress)
  end
  dues.set(schedules.due_index(u), name, due)
  if label == '' or (known and known[2] == label) then return end
  if known then redis.call('ZREM', label_index(u, (parts_of(name))), label_member(name, known[2])) end
  redis.call('ZADD', label_index(u, (parts_of(name))), 0, label_member(name, label))
end

function schedules.remove(u, name, known)
  redis.call('ZCARD', schedules.due_index(u))
  redis.call('ZCARD', label_index(u, (parts_of(name))))
  redis.call('UNLINK', key_of(u, name))
  redis.call('ZREM', schedules.due_index(u), name)
  redis.call('ZREM', label_index(u, (parts_of(name))), label_member(name, known[2]))
end

-- Names of the namespace's schedules from behind a place on, by label, then id.
function schedules.list(u, namespace, label, id, limit)
  local from = label == '' and '-' or '(' .. label .. '\0' .. id
  local names = {}
  for _, member in ipairs(redis.call('ZRANGE', label_index(u, namespace), from, '+', 'BYLEX', 'LIMIT', 0, limit)) do
    names[#names + 1] = namespace .. '/' .. string.sub(member, -36)
  end
  return names
end
