-- The audit log: [namespace, actor, action, subjects, reason, outcome, at] by the action's id, with false for what is not stated.
-- Its order is kept as texts, so that entries of one ms have one too: the time in 16 digits, then the id.

audit.NAMESPACE, audit.ACTOR, audit.SUBJECTS, audit.OUTCOME, audit.AT = 1, 2, 4, 6, 7

local function place_of(at, id)
  return string.format('%016.0f:', at) .. id
end

function audit.add(u, id, entry)
  directory.set(u, 'audit', id, entry)
  directory.list_by(u, 'audit', place_of(entry[audit.AT], id))
end

-- Whether the oldest is so old.
function audit.is_due(u, age)
  local first = redis.call('ZRANGE', directory.order_key(u, 'audit'), 0, 0)
  return first[1] ~= nil and (tonumber(string.sub(first[1], 1, 16)) or 0) <= u.now - age
end

-- Removes up to `max` that are so old. Answers how many.
function audit.trim(u, age, max)
  directory.open(u, 'audit')
  local old = place_of(math.max(0, u.now - age + 1), '')
  local places = redis.call('ZRANGE', directory.order_key(u, 'audit'), '-', '(' .. old, 'BYLEX', 'LIMIT', 0, max)
  for _, place in ipairs(places) do
    redis.call('HDEL', directory.key(u, 'audit'), string.sub(place, 18))
    redis.call('ZREM', directory.order_key(u, 'audit'), place)
  end
  return #places
end

-- Up to `max` ids before that one, the newest first; `at` -1 begins with the newest.
function audit.before(u, at, id, max)
  local from = at < 0 and '+' or '(' .. place_of(at, id)
  local found = redis.call('ZRANGE', directory.order_key(u, 'audit'), from, '-', 'BYLEX', 'REV', 'LIMIT', 0, max)
  for place, text in ipairs(found) do found[place] = string.sub(text, 18) end
  return found
end
