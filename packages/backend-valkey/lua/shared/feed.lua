-- How much of the partition's feed is kept. An entry of the stream holds what one step told, so all of it is of one time.

local function key_of(u)
  return u.key.idx .. 'events'
end

local function first_of(entry)
  return tonumber(string.match(entry[1], '^(%d+)-'))
end

local function at_of(entry)
  return tonumber(entry[2][2])
end

-- The entry that holds this number, or the last one before it.
local function entry_at(u, number)
  return redis.call('XREVRANGE', key_of(u), string.format('%.0f', number) .. '-18446744073709551615', '-', 'COUNT', 1)[1]
end

local function oldest(u)
  return redis.call('XRANGE', key_of(u), '-', '+', 'COUNT', 1)[1]
end

-- Whether anything is older than that.
function feed.is_old(u, age)
  local first = oldest(u)
  return first ~= nil and at_of(first) + age <= u.now
end

-- The first number in a range that is younger than `until_at`, or the one after the range. Times follow the numbers.
local function first_young(u, low, high, until_at)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if at_of(entry_at(u, middle)) <= until_at then low = middle + 1 else high = middle end
  end
  return low
end

-- From which number on the feed is kept so that it has its last `keep` events as far as they are not older than `age`, and
-- how many that removes: about `max`. Nil when nothing is to go. Also whether more would go by age.
function feed.plan(u, keep, age, max)
  local first = oldest(u)
  if first == nil then return nil, 0, false end
  local from, high = first_of(first), math.min(first_of(first) + max, u.events + 1)
  local kept = math.min(math.max(from, u.events - keep + 1), high)
  if at_of(first) + age <= u.now then kept = math.max(kept, first_young(u, from, high, u.now - age)) end
  if kept == from then return nil, 0, false end
  if kept > u.events then return kept, u.events + 1 - from, false end
  -- An entry goes with the last of its events.
  local holder = entry_at(u, kept)
  kept = first_of(holder)
  if kept == from then return nil, 0, false end
  return kept, kept - from, at_of(holder) + age <= u.now
end

-- The one write of its kind: a single key, whose type was asked for by the plan. An empty stream would stay.
function feed.trim(u, from)
  if from == nil then return end
  if from > u.events then
    redis.call('UNLINK', key_of(u))
  else
    redis.call('XTRIM', key_of(u), 'MINID', string.format('%.0f', from))
  end
end
