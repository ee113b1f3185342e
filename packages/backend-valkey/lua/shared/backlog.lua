-- What waits in ready sets, for those who look at lanes.

local STEP_WITHOUT_AGEING = 1000000000000

-- Of a lane with ageing scores do not tell ready times: so many are looked at.
local LOOKS_MAX = 1000
-- Priorities of a lane without ageing that are looked at.
local BANDS_MAX = 100
-- The clock may have been ahead by so much when a ready time was written.
local CLOCK_SLACK_MS = 1000
-- Lines of admission keys of a route that are looked at.
local LINES_MAX = 100

local function ready_at_of(u, member)
  local x = record.get(u, string.sub(member, 12))
  return x and x[X.phase] == 'r' and x[X.elig] == 'e' and x or nil
end

local function least_of(u, members)
  local ids, least = {}, nil
  for place, member in ipairs(members) do ids[place] = string.sub(member, 12) end
  record.load(u, ids)
  for _, member in ipairs(members) do
    local x = ready_at_of(u, member)
    if x and (least == nil or x[X.ready_at] < least) then least = x[X.ready_at] end
  end
  return least
end

local function oldest_in(u, key, lane)
  if lane.is_aged then return least_of(u, redis.call('ZRANGE', key, 0, LOOKS_MAX - 1)) end
  -- Without ageing each priority has a band of scores of its own, in which the first is the oldest.
  local least, from = nil, '-inf'
  for _ = 1, BANDS_MAX do
    local head = redis.call('ZRANGE', key, from, '+inf', 'BYSCORE', 'LIMIT', 0, 1)
    if not head[1] then return least end
    local x = ready_at_of(u, head[1])
    if not x then return least_of(u, redis.call('ZRANGE', key, 0, LOOKS_MAX - 1)) end
    if least == nil or x[X.ready_at] < least then least = x[X.ready_at] end
    from = string.format('(%.0f', u.now + CLOCK_SLACK_MS - x[X.priority] * STEP_WITHOUT_AGEING)
  end
  return least
end

-- Since when the oldest claimable execution of the route is ready, or nil. What is behind a refused head is not claimable.
function backlog.oldest(u, rid, lane)
  local least = oldest_in(u, u.key.idx .. 'ready:' .. rid, lane)
  for _, key in ipairs(lines.open_queues(u, rid, LINES_MAX)) do
    local at = oldest_in(u, key, lane)
    if at and (least == nil or at < least) then least = at end
  end
  return least
end
