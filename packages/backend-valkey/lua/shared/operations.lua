-- Bulk operations, in the partition of the quota family that their names hash to: a hash each, whose texts are written and read
-- by the processes alone; an index of who is due when, and for each namespace one by time. A name is `<namespace>/<id>`.

local NEVER = -1

local function key_of(u, name)
  return u.key.root .. ':operation:' .. u.key.tag .. ':' .. name
end

local function due_index(u)
  return u.key.idx .. 'operations_due'
end

local function time_index(u, namespace)
  return u.key.idx .. 'operations:' .. namespace
end

local function parts_of(name)
  local namespace, id = string.match(name, '^([^/]+)/(.+)$')
  if not namespace then call.refuse('invalid_arguments', 'a name') end
  return namespace, id
end

-- [name, version, created, due or -1, definition, progress] or nil.
function operations.get(u, name)
  local found = redis.call('HMGET', key_of(u, name), 'version', 'created', 'due', 'definition', 'progress')
  if not found[1] and not found[4] then return nil end
  local version, created, due = tonumber(found[1] or ''), tonumber(found[2] or ''), tonumber(found[3] or '')
  if not (version and created and due and found[4] and found[5]) then call.refuse('corruption', key_of(u, name)) end
  return { name, version, created, due, found[4], found[5] }
end

-- All keys are asked for their type before the first write.
local function probe(u, name)
  redis.call('ZCARD', due_index(u))
  redis.call('ZCARD', time_index(u, (parts_of(name))))
end

local function write_due(u, name, due)
  if due == NEVER then redis.call('ZREM', due_index(u), name) else redis.call('ZADD', due_index(u), due, name) end
end

function operations.create(u, name, created, due, definition, progress)
  local namespace, id = parts_of(name)
  probe(u, name)
  redis.call('HSET', key_of(u, name), 'version', 1, 'created', created, 'due', due, 'definition', definition, 'progress', progress)
  redis.call('ZADD', time_index(u, namespace), created, id)
  write_due(u, name, due)
end

function operations.write(u, name, version, due, progress)
  probe(u, name)
  redis.call('HSET', key_of(u, name), 'version', version, 'due', due, 'progress', progress)
  write_due(u, name, due)
end

function operations.remove(u, name)
  local namespace, id = parts_of(name)
  probe(u, name)
  redis.call('UNLINK', key_of(u, name))
  redis.call('ZREM', due_index(u), name)
  redis.call('ZREM', time_index(u, namespace), id)
end

-- Names of those that are due, the longest due first, and when the one behind them is; 0 if there is none.
function operations.due(u, max)
  local found, names, next_due = redis.call('ZRANGE', due_index(u), 0, max, 'WITHSCORES'), {}, 0
  for place = 1, #found, 2 do
    local at = tonumber(found[place + 1])
    if at > u.now or #names == max then
      next_due = at
      break
    end
    names[#names + 1] = found[place]
  end
  return names, next_due
end

-- When the first is due; 0 if none is.
function operations.first(u)
  return tonumber(redis.call('ZRANGE', due_index(u), 0, 0, 'WITHSCORES')[2] or 0)
end

-- One that cannot be read must not stand before the others for ever; one that is gone is no longer due.
function operations.put_off(u, name, is_gone, by_ms)
  if is_gone then redis.call('ZREM', due_index(u), name) else redis.call('ZADD', due_index(u), u.now + by_ms, name) end
end

-- Names of the namespace's, newest first, from behind a place on.
function operations.list(u, namespace, before_ms, before_id, limit)
  local names = {}
  listing.walk({ time_index(u, namespace) }, { before_ms, before_id }, 0, limit, function() end, function(id)
    names[#names + 1] = namespace .. '/' .. id
    return false
  end)
  return names
end
