-- Indexes of who is due when, one for each kind of record that a partition of the quota family keeps: names by time.

dues.NEVER = -1

function dues.set(index, name, at)
  if at == dues.NEVER then redis.call('ZREM', index, name) else redis.call('ZADD', index, at, name) end
end

-- Names of those that are due, or will be within so many ms, the longest due first, and when the one behind them is; 0 if there
-- is none.
function dues.now(u, index, max, within_ms)
  local found, names, next_due = redis.call('ZRANGE', index, 0, max, 'WITHSCORES'), {}, 0
  for place = 1, #found, 2 do
    local at = tonumber(found[place + 1])
    if at > u.now + within_ms or #names == max then
      next_due = at
      break
    end
    names[#names + 1] = found[place]
  end
  return names, next_due
end

-- When the first is due; 0 if none is.
function dues.first(index)
  return tonumber(redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')[2] or 0)
end

-- The rows of those that are due, read one by one, and when the next of the others is. One that cannot be read must not stand
-- before the others for ever: it is told of by `broken`, and is not due again for a while. One that is gone is no longer due.
function dues.rows(u, index, max, within_ms, broken_again_ms, read, broken)
  local rows = {}
  local names, next_due = dues.now(u, index, max, within_ms)
  for _, name in ipairs(names) do
    local is_sound, row = sound.try(read, name)
    if is_sound and row then
      rows[#rows + 1] = row
    elseif is_sound then
      dues.set(index, name, dues.NEVER)
    else
      dues.set(index, name, u.now + broken_again_ms)
      rows[#rows + 1] = broken(name)
    end
  end
  return rows, next_due
end
