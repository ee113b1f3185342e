-- Due times. The partition's set holds executions (their earliest, without leases), `i` and an instance (its earliest lease)
-- and `f` and a flow; an instance's leases are a set of their own. An entry may be early, never late: what is not due when it
-- is looked at is put where it belongs.

-- Entries that one step reads; executions whose timers it applies; members of a flow that it ends.
local READ_MAX, APPLY_MAX, MEMBERS_MAX = 1000, 128, 100
-- What does not decode is tried again after this: it must not stand before all others.
local RETRY_MS = 60000
-- Early entries of instances that one look at the head puts right.
local EARLY_MAX = 64

local FAILURES = {
  execution_deadline = { 'deadline', 'its deadline passed' },
  queue_ttl = { 'queue_ttl', 'it was not started in time' },
}

local function expire(u, x, kind)
  transition.finish(u, x, 'e', 'd', nil, FAILURES[kind])
end

local apply = {
  cancel_grace = function(u, x) transition.cancel(u, x, 'operator') end,
  execution_deadline = function(u, x) expire(u, x, 'execution_deadline') end,
  queue_ttl = function(u, x) expire(u, x, 'queue_ttl') end,
  attempt_timeout = function(u, x) outcomes.time_out(u, x) end,
  lease_expiry = function(u, x) outcomes.lose_lease(u, x, 'l') end,
  suspension_timeout = function(u, x) suspending.time_out(u, x) end,
  delayed_promotion = function(u, x, at) transition.rejudge(u, x, at) end,
}

local apply_to_flow = {
  flow_deadline = function(u, f) cancels.expire_flow(u, f, MEMBERS_MAX) end,
  draft_expiry = function(u, f) cancels.expire_draft(u, f, MEMBERS_MAX) end,
  stage_expiry = function(u, f, id) staging.remove(u, id, f) end,
}

local function key_of(u)
  return u.key.idx .. 'timers'
end

local function leases_of(u, instance)
  return u.key.idx .. 'instance:' .. instance
end

-- Puts an entry where it belongs, or away. `when` tells its time, or nil, once all that the step changes is known.
local function put(u, key, member, when)
  u.misplaced[#u.misplaced + 1] = { key, member, when }
end

-- Applies the timer of one flow, the earliest, as the whole of a step: it may end what executions wait for. Answers nil when
-- none is due, else the item; `stage_expiry` is told to nobody.
local function drain_flow(u, due)
  for place = 1, #due, 2 do
    local member = due[place]
    if string.sub(member, 1, 1) == 'f' and #member == 37 then
      local id = string.sub(member, 2)
      u.working = { key_of(u), member, 'flow_deadline', tonumber(due[place + 1]) }
      local f = flows.get_any(u, id)
      local kind, at = nil, 0
      if f then kind, at = flows.next_timer(f) end
      if kind and at <= u.now then
        u.working[3] = kind
        apply_to_flow[kind](u, f, id)
        return { 'applied', kind, id, at, false }
      end
      put(u, key_of(u), member, function()
        if not f then return nil end
        local its_kind, time = flows.next_timer(f)
        return its_kind and time
      end)
    end
  end
  return nil
end

-- Executions whose entry, or whose instance's entry, is due, each once: at most `max`, without those in `skip`. The second
-- answer says that there are more.
local function candidates(u, due, max, skip, skips)
  local list, seen = {}, {}
  local function add(id, key, at)
    if seen[id] or skip[id] then return true end
    if #list == max then return false end
    seen[id] = true
    list[#list + 1] = { id = id, key = key, due = at }
    return true
  end
  for place = 1, #due, 2 do
    local member, at = due[place], tonumber(due[place + 1])
    local kind = #member == 37 and string.sub(member, 1, 1)
    if kind == 'i' then
      local instance = string.sub(member, 2)
      local key = leases_of(u, instance)
      local leases = redis.call('ZRANGE', key, '-inf', u.now, 'BYSCORE', 'LIMIT', 0, max + skips + 1, 'WITHSCORES')
      u.instances[#u.instances + 1] = instance
      for lease = 1, #leases, 2 do
        if not add(leases[lease], key, tonumber(leases[lease + 1])) then return list, true end
      end
    elseif kind ~= 'f' and not add(member, key_of(u), at) then
      return list, true
    end
  end
  return list, #due == 2 * (READ_MAX + skips)
end

-- For an entry that was looked at and was not due.
local function replace(u, each, x)
  put(u, each.key, each.id, function()
    if not x then return nil end
    if each.key ~= key_of(u) then
      local holds = x[X.phase] == 'a' and leases_of(u, x[X.attempt][A.instance]) == each.key
      return holds and x[X.attempt][A.expires] or nil
    end
    local kind, at = state.next_timer(x, false)
    return kind and at
  end)
end

local function drain_executions(u, due, max, skip, skips)
  local list, is_more = candidates(u, due, max, skip, skips)
  local ids, bad, found, items = {}, {}, {}, {}
  for place, each in ipairs(list) do ids[place] = each.id end
  record.load(u, ids, bad)
  for _, each in ipairs(list) do
    local x = u.records[each.id]
    if bad[each.id] then
      local kind = each.key == key_of(u) and 'delayed_promotion' or 'lease_expiry'
      put(u, each.key, each.id, function() return u.now + RETRY_MS end)
      items[#items + 1] = { 'error', kind, each.id, each.due, false }
    else
      local kind, at
      if x then kind, at = state.next_timer(x, true) end
      if kind and at <= u.now then found[#found + 1] = { x = x, kind = kind, at = at, entry = each }
      else replace(u, each, x) end
    end
  end
  table.sort(found, function(one, other)
    if one.at ~= other.at then return one.at < other.at end
    return one.entry.id < other.entry.id
  end)
  for _, each in ipairs(found) do
    u.working = { each.entry.key, each.entry.id, each.kind, each.at }
    -- What was applied before it in this step may have ended it: the timer went with the state.
    local kind, at = state.next_timer(each.x, true)
    if kind == each.kind and at == each.at then
      apply[kind](u, each.x, at)
      local again, next_at = state.next_timer(each.x, true)
      items[#items + 1] = { 'applied', kind, each.entry.id, at, again ~= nil and next_at <= u.now }
    else
      replace(u, each.entry, each.x)
    end
  end
  return items, is_more
end

-- One step: the timer of a flow, or those of executions, of each the earliest. `skip` are executions that had theirs already.
-- Answers items [outcome, kind, id, when it was due, whether it is due again] and whether there may be more.
function timers.drain(u, max, skip)
  if u.lines then lines.lapse(u) end
  local skipped = {}
  for _, id in ipairs(skip) do skipped[id] = true end
  local due = redis.call('ZRANGE', key_of(u), '-inf', u.now, 'BYSCORE', 'LIMIT', 0, READ_MAX + #skip, 'WITHSCORES')
  if #due == 0 then return {}, false end
  local item = drain_flow(u, due)
  if item then return { item[2] ~= 'stage_expiry' and item or nil }, true end
  return drain_executions(u, due, math.min(max, APPLY_MAX), skipped, #skip)
end

-- For a step of one item that failed, since something that it leads to does not decode: its entry is tried again later.
function timers.put_off(u)
  local key, member, kind, at = unpack(u.working)
  redis.call('ZADD', key, u.now + RETRY_MS, member)
  if key ~= key_of(u) then timers.first(u) end
  return { 'error', kind, #member == 37 and string.sub(member, 2) or member, at, false }
end

-- For a lease that its instance does not hold; whose instance is looked at again.
function timers.drop_lease(u, instance, id)
  put(u, leases_of(u, instance), id, function() return nil end)
end

function timers.look_again(u, instance)
  u.instances[#u.instances + 1] = instance
end

function timers.stage(u, staged)
  if call.has(u, 'misplaced') then
    for _, each in ipairs(u.misplaced) do
      local at = each[3]()
      if at then staged.add(each[1], at, each[2]) else staged.cut(each[1], each[2]) end
    end
    u.misplaced = nil
  end
  if call.has(u, 'instances') then redis.call('ZCARD', key_of(u)) end
end

-- Each instance that was looked at gets the time of its earliest lease. Part of the flush, after the leases were written.
function timers.replace(u)
  for _, instance in ipairs(u.instances) do
    local first = redis.call('ZRANGE', leases_of(u, instance), 0, 0, 'WITHSCORES')
    if first[2] then redis.call('ZADD', key_of(u), first[2], 'i' .. instance)
    else redis.call('ZREM', key_of(u), 'i' .. instance) end
  end
  u.instances = nil
end

-- The earliest time at which anything is due, or 0. Instances whose earliest lease is over or was renewed have an early entry:
-- it is put right where it is at the head.
function timers.first(u)
  local at = 0
  for _ = 1, EARLY_MAX do
    local first = redis.call('ZRANGE', key_of(u), 0, 0, 'WITHSCORES')
    at = tonumber(first[2] or '0')
    local member = first[1] or ''
    if #member ~= 37 or string.sub(member, 1, 1) ~= 'i' then return at end
    local lease = redis.call('ZRANGE', leases_of(u, string.sub(member, 2)), 0, 0, 'WITHSCORES')
    if lease[2] and tonumber(lease[2]) <= at then return at end
    if lease[2] then redis.call('ZADD', key_of(u), lease[2], member) else redis.call('ZREM', key_of(u), member) end
  end
  return at
end
