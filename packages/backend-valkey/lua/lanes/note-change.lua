--- Notes that a lane is being changed, or that its copies are all there: so that somebody finishes it if its caller dies.
-- @flags allow-oom
-- @brings nothing
-- @args note: string, isBegun: boolean
-- @reply boolean
-- @errors schema_mismatch
return function(u, a)
  local key = u.key.idx .. 'lanes_to_sync'
  if a[2] then redis.call('ZADD', key, 'NX', u.now, a[1]) else redis.call('ZREM', key, a[1]) end
  return true
end
