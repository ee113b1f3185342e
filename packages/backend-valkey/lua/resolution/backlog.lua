--- Flows whose members are being ended in several steps, those that began first.
-- @flags no-writes
-- @args max: int
-- @reply string[]
-- @errors schema_mismatch
return function(u, a)
  return redis.call('ZRANGE', u.key.idx .. 'cancel_backlog', '-inf', u.now, 'BYSCORE', 'LIMIT', 0, a[1])
end
