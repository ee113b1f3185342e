-- Idempotency keys, in a partition of the quota family: what was submitted under each, and for how long that counts. A key is
-- recorded before its submission is carried out, which lies in another partition, and forgotten when that is refused. So it
-- counts who relies on it: whoever is refused takes his count back, and with the last one the key goes. An accepted
-- submission leaves its count there. A count may be too high, when somebody died in between, but never too low.
--
-- A record is [target, kind, content, expires, reserved, counts], in the order of these:

local TARGET, KIND, CONTENT, EXPIRES, RESERVED, COUNT = 1, 2, 3, 4, 5, 6

-- Where the clock runs Valkey removes what has expired by itself, some time later. Where it stands still, a sorted set says
-- what has, and the trim does.
local LINGER_MS = 3600000

local function key_of(u, name)
  return u.key.root .. ':idempotency:' .. u.key.tag .. ':' .. name
end

local function expiries(u)
  return u.key.idx .. 'keys_expiry'
end

-- The record of a key, `<namespace>/<key>`, whether or not it has expired; or nil.
function idempotency.get(u, name)
  local text = redis.call('GET', key_of(u, name))
  if not text then return nil end
  local ok, found = pcall(cmsgpack.unpack, text)
  if not ok or type(found) ~= 'table' or type(found[COUNT]) ~= 'number' then call.refuse('corruption', key_of(u, name)) end
  return found
end

-- Of each item [name, target, kind, content, ttl] what its key stands for: [word, target, when it was recorded]. `known` is
-- live and of the same content, maybe by this very submission; `conflict` of another one.
function idempotency.reserve(u, items)
  local answers, changed = {}, {}
  for place, item in ipairs(items) do
    local is_sound, found = true, changed[item[1]]
    if found == nil then is_sound, found = sound.try(idempotency.get, u, item[1]) end
    if not is_sound then
      answers[place] = { 'corruption', item[2], 0 }
    elseif found and found[EXPIRES] > u.now and (found[KIND] ~= item[3] or found[CONTENT] ~= item[4]) then
      answers[place] = { 'conflict', found[TARGET], found[RESERVED] }
    else
      local is_known = found and found[EXPIRES] > u.now
      if is_known then found[COUNT] = found[COUNT] + 1
      else found = { item[2], item[3], item[4], u.now + item[5], u.now, 1 } end
      changed[item[1]] = found
      answers[place] = { is_known and 'known' or 'new', found[TARGET], found[RESERVED] }
    end
  end
  idempotency.write(u, changed)
  return answers
end

-- Takes back the count of each item [name, target, when it was recorded].
function idempotency.forget(u, items)
  local changed = {}
  for _, item in ipairs(items) do
    local found = changed[item[1]]
    if found == nil then found = idempotency.get(u, item[1]) end
    if found and found[TARGET] == item[2] and found[RESERVED] == item[3] then
      found[COUNT] = found[COUNT] - 1
      changed[item[1]] = found
    end
  end
  idempotency.write(u, changed)
end

-- Lets a key stand for another target, if it still stands for the one that the caller saw: what was to be submitted there
-- never was, and cannot be by others. Answers whether it does.
function idempotency.replace(u, name, seen, reserved, target, ttl)
  local found = idempotency.get(u, name)
  if not found or found[TARGET] ~= seen or found[RESERVED] ~= reserved then return false end
  idempotency.write(u, { [name] = { target, found[KIND], found[CONTENT], u.now + ttl, u.now, 1 } })
  return true
end

-- Removes keys that have expired, where Valkey does not. Answers how many.
function idempotency.trim(u, max)
  if not u.is_virtual then return 0 end
  local names = redis.call('ZRANGE', expiries(u), '-inf', u.now, 'BYSCORE', 'LIMIT', 0, max)
  for _, name in ipairs(names) do
    redis.call('UNLINK', key_of(u, name))
    redis.call('ZREM', expiries(u), name)
  end
  return #names
end

-- All that a call changes. Each key is one's own, and none can fail: the type of the one set is asked for first.
function idempotency.write(u, changed)
  if u.is_virtual then redis.call('ZCARD', expiries(u)) end
  for name, found in pairs(changed) do
    local key = key_of(u, name)
    if found[COUNT] <= 0 then
      redis.call('UNLINK', key)
      if u.is_virtual then redis.call('ZREM', expiries(u), name) end
    elseif u.is_virtual then
      redis.call('SET', key, cmsgpack.pack(found))
      redis.call('ZADD', expiries(u), found[EXPIRES], name)
    else
      local ms = math.max(1, found[EXPIRES] - u.now) + LINGER_MS
      redis.call('SET', key, cmsgpack.pack(found), 'PX', string.format('%.0f', ms))
    end
  end
end
