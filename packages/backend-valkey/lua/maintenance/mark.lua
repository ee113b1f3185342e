--- Changes something in the partition, so that there is a write to wait for: what was answered before it lies before it in the
-- node's history.
-- @flags allow-oom
-- @brings nothing
-- @args
-- @reply boolean
-- @errors
return function(u)
  redis.call('HINCRBY', u.key.meta, 'mark', 1)
  return true
end
