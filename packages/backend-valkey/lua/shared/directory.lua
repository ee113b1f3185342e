-- What belongs to the deployment as a whole, each kind in a hash of the home partition by id or name: signing keys, API tokens,
-- namespaces that were put, and the audit log. A sorted set beside a hash says in which order it is listed.

-- Of signing keys, tokens and namespaces no more are kept, of each.
directory.MAX = 10000

function directory.key(u, kind)
  return u.key.idx .. kind
end

function directory.order_key(u, kind)
  return u.key.idx .. kind .. '_order'
end

function directory.decode(u, kind, text)
  local ok, value = pcall(cmsgpack.unpack, text)
  if not ok or type(value) ~= 'table' then call.refuse('corruption', directory.key(u, kind)) end
  return value
end

-- The record, or nil.
function directory.get(u, kind, name)
  local text = redis.call('HGET', directory.key(u, kind), name)
  return text and directory.decode(u, kind, text) or nil
end

function directory.is_full(u, kind)
  return redis.call('HLEN', directory.key(u, kind)) >= directory.MAX
end

-- Asks for the types of what will be written, so that nothing is written where one of them is foreign.
function directory.open(u, kind)
  redis.call('HLEN', directory.key(u, kind))
  redis.call('ZCARD', directory.order_key(u, kind))
end

function directory.set(u, kind, name, value)
  redis.call('HSET', directory.key(u, kind), name, cmsgpack.pack(value))
end

function directory.list_by(u, kind, place)
  redis.call('ZADD', directory.order_key(u, kind), 0, place)
end

-- Up to `max` places in order behind that one, '' for the first, and whether there are more.
function directory.places(u, kind, after, max)
  local from = after == '' and '-' or '(' .. after
  local found = redis.call('ZRANGE', directory.order_key(u, kind), from, '+', 'BYLEX', 'LIMIT', 0, max + 1)
  local more = #found > max
  if more then found[#found] = nil end
  return found, more
end

-- [name, record] of each name that is there.
function directory.records(u, kind, names)
  local list = {}
  if #names == 0 then return list end
  local texts = redis.call('HMGET', directory.key(u, kind), unpack(names))
  for place, name in ipairs(names) do
    if texts[place] then list[#list + 1] = { name, directory.decode(u, kind, texts[place]) } end
  end
  return list
end

-- ---- Sorted sets of ids by when they were made

-- Ids behind a place, newest first; of the same time the higher one first. At 0 from the newest on.
function directory.newest(u, key, created, id, max)
  local ids = {}
  if created == 0 then return redis.call('ZREVRANGE', key, 0, max - 1) end
  local same = redis.call('ZRANGE', key, created, created, 'BYSCORE', 'REV')
  for _, each in ipairs(same) do
    if each < id and #ids < max then ids[#ids + 1] = each end
  end
  if #ids == max then return ids end
  local older = redis.call('ZRANGE', key, string.format('(%.0f', created), '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, max - #ids)
  for _, each in ipairs(older) do ids[#ids + 1] = each end
  return ids
end
