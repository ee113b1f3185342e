--- Stops the clock of a partition that holds nothing, for tests; with a time of 0 it only answers whether that could be done.
-- @flags allow-oom
-- @brings nothing
-- @args timeMs: int
-- @reply boolean
-- @errors schema_mismatch
return function(u, a)
  if u.is_virtual then return true end
  if u.seq > 0 or u.events > 0 then return false end
  if a[1] > 0 then redis.call('HSET', u.key.meta, 'time', a[1]) end
  return true
end
