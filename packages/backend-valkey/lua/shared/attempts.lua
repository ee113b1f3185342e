-- Attempts. The last one is in its execution's record; when another begins it goes to a hash, index → packed.

function attempts.key(u, id)
  return u.key.attempt .. id
end

function attempts.close(u, x, state_letter, by, failure)
  local attempt = x[X.attempt]
  attempt[A.state] = state_letter
  attempt[A.by] = by
  attempt[A.ended] = u.now
  attempt[A.failure] = failure or 0
end

function attempts.is_open(attempt)
  return attempt ~= 0 and (attempt[A.state] == 's' or attempt[A.state] == 'u')
end

local TYPES = { ['1'] = 'i', t = 't', c = 'c', p = 'p' }

-- Begins the next attempt; the one before it goes to the history.
function attempts.begin(u, x)
  local kind = TYPES[x[X.att]]
  if kind == nil then call.refuse('corruption', record.key(u, record.id(u, x))) end
  if kind ~= 'c' then x[X.retries] = x[X.retries] + 1 end
  if x[X.attempt] ~= 0 then
    local history = u.histories[record.id(u, x)] or {}
    u.histories[record.id(u, x)] = history
    history[#history + 1] = x[X.attempt][A.index]
    history[#history + 1] = cmsgpack.pack(x[X.attempt])
  end
  x[X.attempt] = {
    x[X.attempts], kind, 's', '', 0, 0, x[X.generation], 0, u.now, 0, 0, 0, 0, 0, '', '', '', '', '', '', 0, 0,
  }
  x[X.attempts] = x[X.attempts] + 1
  return x[X.attempt]
end

-- An earlier attempt, or nil.
function attempts.read(u, id, index)
  local text = redis.call('HGET', attempts.key(u, id), index)
  if not text then return nil end
  local ok, attempt = pcall(cmsgpack.unpack, text)
  if not ok or type(attempt) ~= 'table' then call.refuse('corruption', attempts.key(u, id)) end
  return attempt
end

-- Takes the last attempt back: the one before it is the last again.
function attempts.take_back(u, x)
  x[X.attempts] = x[X.attempts] - 1
  local before = x[X.attempts] > 0 and attempts.read(u, record.id(u, x), x[X.attempts] - 1)
  x[X.attempt] = before or 0
end

function attempts.stage(u, staged)
  for id, history in pairs(u.histories) do staged.hashes[attempts.key(u, id)] = history end
  u.histories = {}
end
