-- API tokens: [hash, what it may do as text, created, expires, revoked], with -1 for what is not set. A sorted set says when each
-- that ended, or is going to, did so: some time after that it goes.

tokens.HASH, tokens.TEXT, tokens.EXPIRES, tokens.REVOKED = 1, 2, 4, 5

local function over_key(u)
  return u.key.idx .. 'tokens_over'
end

local function over(token)
  local expires, revoked = token[tokens.EXPIRES], token[tokens.REVOKED]
  if expires == -1 or (revoked ~= -1 and revoked < expires) then return revoked end
  return expires
end

-- Before anything is written: asks for the types of what will be.
function tokens.open(u)
  directory.open(u, 'tokens')
  redis.call('ZCARD', over_key(u))
end

function tokens.set(u, id, token)
  directory.set(u, 'tokens', id, token)
  directory.list_by(u, 'tokens', id)
  local at = over(token)
  if at == -1 then redis.call('ZREM', over_key(u), id) else redis.call('ZADD', over_key(u), at, id) end
end

-- Whether one ended so long ago.
function tokens.is_due(u, kept)
  local first = redis.call('ZRANGE', over_key(u), 0, 0, 'WITHSCORES')
  return first[2] ~= nil and tonumber(first[2]) <= u.now - kept
end

-- Removes up to `max` that ended so long ago. Answers how many.
function tokens.trim(u, kept, max)
  tokens.open(u)
  local ids = redis.call('ZRANGE', over_key(u), '-inf', u.now - kept, 'BYSCORE', 'LIMIT', 0, max)
  for _, id in ipairs(ids) do
    redis.call('HDEL', directory.key(u, 'tokens'), id)
    redis.call('ZREM', directory.order_key(u, 'tokens'), id)
    redis.call('ZREM', over_key(u), id)
  end
  return #ids
end
