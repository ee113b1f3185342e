-- Bulk operations and webhooks, in the partition of the quota family that their names hash to: a hash each, whose texts are
-- written and read by the processes alone; for each kind an index of who is due when, and for each namespace one by time. A
-- name is `<namespace>/<id>`.

local KINDS = { operation = 'operations', webhook = 'webhooks' }

local function key_of(u, kind, name)
  return u.key.root .. ':' .. kind .. ':' .. u.key.tag .. ':' .. name
end

-- The kind's word in the names of indexes.
local function plural(kind)
  local word = KINDS[kind]
  if not word then call.refuse('invalid_arguments', 'a kind') end
  return word
end

function records.due_index(u, kind)
  return u.key.idx .. plural(kind) .. '_due'
end

local function time_index(u, kind, namespace)
  return u.key.idx .. plural(kind) .. ':' .. namespace
end

local function parts_of(name)
  local namespace, id = string.match(name, '^([^/]+)/(.+)$')
  if not namespace then call.refuse('invalid_arguments', 'a name') end
  return namespace, id
end

-- [name, version, created, due or -1, definition, progress] or nil.
function records.get(u, kind, name)
  local key = key_of(u, kind, name)
  local found = redis.call('HMGET', key, 'version', 'created', 'due', 'definition', 'progress')
  if not found[1] and not found[4] then return nil end
  local version, created, due = tonumber(found[1] or ''), tonumber(found[2] or ''), tonumber(found[3] or '')
  if not (version and created and due and found[4] and found[5]) then call.refuse('corruption', key) end
  return { name, version, created, due, found[4], found[5] }
end

-- All keys are asked for their type before the first write.
local function probe(u, kind, name)
  redis.call('ZCARD', records.due_index(u, kind))
  redis.call('ZCARD', time_index(u, kind, (parts_of(name))))
end

function records.create(u, kind, name, created, due, definition, progress)
  local namespace, id = parts_of(name)
  probe(u, kind, name)
  redis.call('HSET', key_of(u, kind, name), 'version', 1, 'created', created, 'due', due, 'definition', definition, 'progress', progress)
  redis.call('ZADD', time_index(u, kind, namespace), created, id)
  dues.set(records.due_index(u, kind), name, due)
end

-- A definition that is '' stays.
function records.write(u, kind, name, version, due, progress, definition)
  local key = key_of(u, kind, name)
  probe(u, kind, name)
  redis.call('HSET', key, 'version', version, 'due', due, 'progress', progress)
  if definition ~= '' then redis.call('HSET', key, 'definition', definition) end
  dues.set(records.due_index(u, kind), name, due)
end

function records.remove(u, kind, name)
  local namespace, id = parts_of(name)
  probe(u, kind, name)
  redis.call('UNLINK', key_of(u, kind, name))
  redis.call('ZREM', records.due_index(u, kind), name)
  redis.call('ZREM', time_index(u, kind, namespace), id)
end

-- Names of the namespace's, newest first, from behind a place on.
function records.list(u, kind, namespace, before_ms, before_id, limit)
  local names = {}
  listing.walk({ time_index(u, kind, namespace) }, { before_ms, before_id }, 0, limit, function() end, function(id)
    names[#names + 1] = namespace .. '/' .. id
    return false
  end)
  return names
end
