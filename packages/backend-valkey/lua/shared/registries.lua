-- Who is there: worker instances and engines, in two hashes of the home partition. Of a worker one field says what it serves,
-- which never changes, and one how it is: [active, draining, last seen, what it owes, library]. Both say which version of the
-- library spoke for them last.

-- What an instance may owe: its leases are being handed back, and then it goes, or it stays.
registries.NOTHING, registries.GOES, registries.STAYS = 0, 1, 2

-- The name of this version of the library.
registries.LIBRARY = '@NAME@'

function registries.workers_key(u)
  return u.key.idx .. 'workers'
end

function registries.engines_key(u)
  return u.key.idx .. 'engines'
end

function registries.decode(key, text)
  local ok, value = pcall(cmsgpack.unpack, text)
  if not ok or type(value) ~= 'table' then call.refuse('corruption', key) end
  return value
end

-- [namespaces, text, registered at] and [active, draining, last seen, what it owes, library] of a worker, or nil.
function registries.worker(u, instance)
  local key = registries.workers_key(u)
  local found = redis.call('HMGET', key, instance, instance .. '.')
  if not found[1] or not found[2] then return nil end
  return registries.decode(key, found[1]), registries.decode(key, found[2])
end

function registries.set_worker(u, instance, how)
  redis.call('HSET', registries.workers_key(u), instance .. '.', cmsgpack.pack(how))
end

function registries.remove_worker(u, instance)
  redis.call('HDEL', registries.workers_key(u), instance, instance .. '.')
end

-- How each worker is, by its instance, and what is stored of it.
function registries.workers(u)
  local key = registries.workers_key(u)
  local fields, static, how = redis.call('HGETALL', key), {}, {}
  for place = 1, #fields, 2 do
    local field, text = fields[place], fields[place + 1]
    if string.sub(field, -1) == '.' then how[string.sub(field, 1, -2)] = registries.decode(key, text)
    else static[field] = text end
  end
  return how, static
end

-- Whether it serves one of these namespaces.
function registries.shares(static, namespaces)
  for _, own in ipairs(static[1]) do
    for _, namespace in ipairs(namespaces) do
      if own == namespace then return true end
    end
  end
  return false
end

-- Of each engine [id, label, started, last seen, library].
function registries.engines(u)
  local key = registries.engines_key(u)
  local fields, list = redis.call('HGETALL', key), {}
  for place = 1, #fields, 2 do
    local engine = registries.decode(key, fields[place + 1])
    list[#list + 1] = { fields[place], engine[1], engine[2], engine[3], engine[4] }
  end
  return list
end
