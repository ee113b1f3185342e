--- Which kinds of work are pending in the partition, when the next timer is due, and which routes have work whose best has waited
-- longer than that. Such a route is announced again, in case the first message was lost.
-- @flags allow-oom
-- @brings nothing
-- @args waitingMs: int, feedAgeMs: int
-- @reply [pending: string[], nextDueMs: number, waiting: [rid: string, readyMs: number][]]
-- @errors corruption schema_mismatch
local ROUTES_MAX = 256

local function is_due(u, index)
  local first = redis.call('ZRANGE', u.key.idx .. index, 0, 0, 'WITHSCORES')
  return first[2] ~= nil and tonumber(first[2]) <= u.now
end

local function pending_in(u, due, feed_age)
  local idx, pending = u.key.idx, {}
  if (due > 0 and due <= u.now) or (u.lines and lines.has_lapsed(u)) then pending[#pending + 1] = 'timers' end
  if is_due(u, 'completions') then pending[#pending + 1] = 'outbox' end
  if redis.call('EXISTS', idx .. 'pending_cancel_groups') == 1 then pending[#pending + 1] = 'sibling_cancels' end
  if is_due(u, 'cancel_backlog') then pending[#pending + 1] = 'cancel_backlog' end
  if redis.call('EXISTS', idx .. 'unprojected') == 1 then pending[#pending + 1] = 'projection' end
  if retention.is_due(u) or feed.is_old(u, feed_age) then pending[#pending + 1] = 'retention' end
  return pending
end

local function starts(u, rid)
  return lanes.starts(lanes.of(u, routes.of(u, rid).key))
end

-- Heads of ready sets, of routes whose lanes start work.
local function heads(u)
  local list, ids = {}, {}
  for _, rid in ipairs(redis.call('SRANDMEMBER', u.key.idx .. 'ready_index', ROUTES_MAX)) do
    local ok, is_open = sound.try(starts, u, rid)
    local head = ok and is_open and redis.call('ZRANGE', u.key.idx .. 'ready:' .. rid, 0, 0)
    if head and not head[1] and u.lines then head = lines.first(u, rid) end
    if head and head[1] then
      list[#list + 1] = { rid, string.sub(head[1], 12) }
      ids[#ids + 1] = list[#list][2]
    end
  end
  sound.records(u, ids)
  return list
end

return function(u, a)
  local due = timers.first(u)
  local waiting = {}
  for _, head in ipairs(heads(u)) do
    local x = u.records[head[2]]
    if x and x[X.ready_at] + a[1] < u.now then
      waiting[#waiting + 1] = { head[1], x[X.ready_at] }
      hints.ready(u, head[1], redis.call('ZCARD', u.key.idx .. 'ready:' .. head[1]) + (u.lines and lines.count(u, head[1]) or 0), true)
    end
  end
  return { pending_in(u, due, a[2]), due, waiting }
end
