-- Walks sorted sets by creation time, newest first, ties by id, several as one. An execution's time and id never change, so
-- a position is the key of what was told last: whatever has moved from set to set meanwhile, nothing that was there when
-- the listing began is skipped or told twice.

local PAGE = 64

-- How many members of the set are not behind the position. Without an id it stands before all of that time.
local function rank_of(key, at, id)
  local time = string.format('%.0f', at)
  if id == '' then return redis.call('ZCOUNT', key, time, '+inf') end
  local low = redis.call('ZCOUNT', key, '(' .. time, '+inf')
  local high = low + redis.call('ZCOUNT', key, time, time)
  -- Of the same time: the first whose id is smaller.
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZREVRANGE', key, middle, middle)[1] < id then high = middle else low = middle + 1 end
  end
  return low
end

local function open(key, at, id)
  return { key = key, from = rank_of(key, at, id), ids = {}, times = {}, place = 1, is_over = false }
end

local function fill(stream)
  if stream.place <= #stream.ids or stream.is_over then return end
  local found = redis.call('ZREVRANGE', stream.key, stream.from, stream.from + PAGE - 1, 'WITHSCORES')
  stream.from = stream.from + PAGE
  stream.is_over = #found < 2 * PAGE
  stream.ids, stream.times, stream.place = {}, {}, 1
  for place = 1, #found, 2 do
    stream.ids[#stream.ids + 1] = found[place]
    stream.times[#stream.times + 1] = tonumber(found[place + 1])
  end
end

-- The next of all streams: [time, id], or nil.
local function take(streams)
  local best
  for _, stream in ipairs(streams) do
    fill(stream)
    local id, time = stream.ids[stream.place], stream.times[stream.place]
    if id and (best == nil or time > best.times[best.place]
      or (time == best.times[best.place] and id > best.ids[best.place])) then best = stream end
  end
  if best == nil then return nil end
  best.place = best.place + 1
  return { best.times[best.place - 1], best.ids[best.place - 1] }
end

-- Shows what is behind a position, of these sets, to `visit`, up to `max` of them or until it answers true. `read` is
-- called with the ids of some before they are shown. `position`: [time, id]; nothing older than `since` is shown.
-- Answers how far it came, and whether that is the end.
function listing.walk(keys, position, since, max, read, visit)
  local streams = {}
  for place, key in ipairs(keys) do streams[place] = open(key, position[1], position[2]) end
  local reached, n = position, 0
  while n < max do
    local items, ids = {}, {}
    while #items < math.min(PAGE, max - n) do
      local item = take(streams)
      if item == nil or item[1] < since then break end
      items[#items + 1] = item
      ids[#ids + 1] = item[2]
    end
    if #items == 0 then return reached, true end
    read(ids)
    for _, item in ipairs(items) do
      reached = item
      if visit(item[2], item[1]) then return reached, false end
    end
    n = n + #items
  end
  return reached, false
end

-- The sets of a namespace's executions of these classes.
function listing.keys(u, namespace, classes)
  local keys = {}
  for place, class in ipairs(classes) do keys[place] = u.key.idx .. 'list:' .. class .. ':' .. namespace end
  return keys
end
