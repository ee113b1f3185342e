-- Which process serves a worker instance, and what the instance holds. The one that serves it knows where its claims got
-- something, so that repeats are answered; nobody else may hand it anything.

-- Claims of an instance that are told of.
local CLAIMS_MAX = 64
-- A process begins anew after this, so that instances that are gone leave nothing behind.
local SERVED_MS = 3600000

local function key_of(u, instance)
  return u.key.idx .. 'served:' .. instance
end

-- Whether the calling process serves it in this partition.
function served.is_here(u, instance)
  return redis.call('GET', key_of(u, instance)) == u.origin
end

-- From now on the calling process does. The only write of its call.
function served.adopt(u, instance)
  redis.call('SET', key_of(u, instance), u.origin, 'PX', SERVED_MS)
end

-- It is gone, or begins anew.
function served.abandon(u, instance)
  redis.call('UNLINK', key_of(u, instance))
end

-- What this instance holds.
local function leased(u, instance)
  local ids = redis.call('ZRANGE', u.key.idx .. 'instance:' .. instance, 0, -1)
  sound.records(u, ids)
  local list = {}
  for _, id in ipairs(ids) do
    local x = u.records[id]
    if x and x[X.phase] == 'a' and x[X.attempt][A.instance] == instance then list[#list + 1] = x end
  end
  return list
end

-- What it still holds of a claim that was sent before.
function served.held(u, instance, claim)
  local list = {}
  for _, x in ipairs(leased(u, instance)) do
    if x[X.attempt][A.claim] == claim and sound.try(handed.prepare, u, x) then list[#list + 1] = x end
  end
  return list
end

-- Its claims that still hold anything, the latest first.
function served.claims(u, instance)
  local list, seen, ids = leased(u, instance), {}, {}
  table.sort(list, function(one, other) return one[X.attempt][A.leased] > other[X.attempt][A.leased] end)
  for _, x in ipairs(list) do
    local claim = x[X.attempt][A.claim]
    if not seen[claim] and #ids < CLAIMS_MAX then
      seen[claim] = true
      ids[#ids + 1] = claim
    end
  end
  return ids
end
