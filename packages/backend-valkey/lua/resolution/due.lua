--- Entries of the outbox that are due, oldest first.
-- @flags no-writes
-- @args max: int
-- @reply string[]
-- @errors schema_mismatch
return function(u, a)
  return redis.call('ZRANGE', u.key.idx .. 'completions', '-inf', u.now, 'BYSCORE', 'LIMIT', 0, a[1])
end
