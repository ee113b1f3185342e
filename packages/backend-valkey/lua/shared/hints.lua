-- What others may want to know at once: work that became claimable, an earlier timer, an entry of the outbox, ends, leases
-- that are over. The caller learns it from its answer, everybody else from at most one message a call. A message may be
-- lost: what it says is found by the next pulse.

-- Bits of the header's `tells`: whether anybody else listens for them.
local ENDS, FEED, FRAMES = 1, 2, 4

function hints.ready(u, rid, count, is_edge)
  u.news.ready = u.news.ready or {}
  u.news.ready[rid] = count
  if is_edge then
    u.news.filled = u.news.filled or {}
    u.news.filled[rid] = count
  end
end

function hints.empty(u, rid)
  u.news.ready = u.news.ready or {}
  u.news.ready[rid] = 0
  if u.news.filled then u.news.filled[rid] = nil end
end

-- A slot of a capped lane was given up here: partitions without any may have work for it.
function hints.freed(u, lane)
  u.news.freed = u.news.freed or {}
  u.news.freed[lane.key] = lane
end

-- A lane's settings have changed: its ready routes are announced anew, as if they had just filled.
function hints.reopened(u, lane, rids)
  local is_filled = false
  for _, rid in ipairs(rids) do
    local count = redis.call('ZCARD', u.key.idx .. 'ready:' .. rid) + (u.lines and lines.count(u, rid) or 0)
    if count > 0 then
      hints.ready(u, rid, count, true)
      is_filled = true
    end
  end
  if is_filled then
    u.edges = u.edges + 1
    u.edges_moved = true
  end
  u.news.reopened = u.news.reopened or {}
  u.news.reopened[#u.news.reopened + 1] = lane.key
end

-- A timer was set. Whether anybody must know is judged before it is written.
function hints.due(u, at)
  if u.news.due_next == nil or at < u.news.due_next then u.news.due_next = at end
end

-- Only one that comes before all others changes when somebody has to look here.
function hints.judge_due(u)
  local at = u.news.due_next
  if at == nil then return end
  u.news.due_next = nil
  local first = redis.call('ZRANGE', u.key.idx .. 'timers', 0, 0, 'WITHSCORES')
  if first[2] and tonumber(first[2]) <= at then return end
  if u.news.due == nil or at < u.news.due then u.news.due = at end
end

function hints.outbox(u)
  u.news.outbox = true
end

function hints.ended(u, id)
  local list = u.news.ended
  list[#list + 1] = id
end

function hints.attention(u, id)
  local list = u.news.attention
  list[#list + 1] = id
end

-- A stream of the execution grew.
function hints.frames(u, id)
  local list = u.news.frames or {}
  u.news.frames = list
  list[#list + 1] = id
end

-- This process serves the worker instance from now on: who served it before no longer knows all that it claimed.
function hints.serves(u, instance)
  u.news.serves = instance
end

local NOTHING = {}

-- Lanes in which this call has left a slot unused that was in use before it.
local function freed_lanes(u)
  if not u.news.freed and not u.news.reopened then return NOTHING end
  local keys = {}
  for _, key in ipairs(u.news.reopened or {}) do keys[#keys + 1] = key end
  for key, lane in pairs(u.news.freed or {}) do
    if lane.record[L.active] < lane.active_at_first then keys[#keys + 1] = key end
  end
  return keys
end

local function pairs_of(counts)
  if counts == nil then return NOTHING end
  local list = {}
  for rid, count in pairs(counts) do
    list[#list + 1] = rid
    list[#list + 1] = count
  end
  return list
end

-- For the caller: [time, edge number, {rid, how many are ready, …}, next due or 0, outbox?, ended, attention, last event
-- if there are new ones or 0, lanes with room, how many heard the message or -1]; and where frames came '' and whose they are.
function hints.news(u)
  local news = u.news
  local told = {
    u.now, u.edges, pairs_of(news.ready), news.due or 0, news.outbox or false, news.ended, news.attention,
    news.fed and u.events or 0, freed_lanes(u), news.heard or -1,
  }
  if news.frames then told[11], told[12] = '', news.frames end
  return told
end

local function bit_of(u, bit)
  return u.tells % (bit * 2) >= bit
end

-- For everybody else: who caused it, so that nobody reads what it said itself, and the same as in `news`. Databases of a
-- server share its channels, so the database is in the name. Once a call, at its end: what was taken again meanwhile is
-- nobody's news.
function hints.publish(u)
  local news = u.news
  local filled, freed = pairs_of(news.filled), freed_lanes(u)
  local ended = bit_of(u, ENDS) and news.ended or {}
  local last = bit_of(u, FEED) and news.fed and u.events or 0
  local frames = news.frames and bit_of(u, FRAMES) and news.frames or nil
  if #filled == 0 and not news.outbox and #news.attention == 0 and #ended == 0 and last == 0 and #freed == 0
    and not news.due and not news.serves and not frames then return end
  news.heard = redis.call('SPUBLISH', u.key.idx .. 'hints:' .. u.database, u.origin .. cmsgpack.pack({
    u.edges, filled, news.due or 0, news.outbox or false, ended, news.attention, last, freed,
    -1, news.serves or '', frames,
  }))
end
