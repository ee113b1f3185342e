--- Moves the clock of a partition that was made for tests.
-- @flags allow-oom
-- @repeat request
-- @brings nothing
-- @args byMs: int
-- @reply [isVirtual: boolean, nowMs: number]
-- @errors schema_mismatch
return function(u, a)
  if not u.is_virtual then return { false, u.now } end
  redis.call('HSET', u.key.meta, 'time', u.now + a[1])
  return { true, u.now + a[1] }
end
