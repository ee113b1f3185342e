--- Fixes at the first boot what is fixed for the deployment: the counts of partitions, and where its clock stood still at first (0:
-- it runs). A clock that runs may be stopped later, which the partitions were asked for by then. Each boot repeats it, so nothing is
-- waited for.
-- @flags allow-oom
-- @brings nothing
-- @args flow: int, budget: int, quota: int, stoppedMs: int, isStopped: boolean
-- @reply [flow: string, budget: string, quota: string, stoppedMs: string]
-- @errors schema_mismatch
return function(u, a)
  local key = u.key.root .. ':deployment:' .. u.key.tag
  if redis.call('EXISTS', key) == 0 then
    -- What the clock of this partition does was decided by whoever came first.
    local stopped = u.is_virtual and (a[4] > 0 and a[4] or u.now) or 0
    redis.call('HSET', key, 'flow', a[1], 'budget', a[2], 'quota', a[3], 'stopped', string.format('%.0f', stopped))
  elseif a[5] then
    redis.call('HSET', key, 'stopped', string.format('%.0f', a[4]))
  end
  return redis.call('HMGET', key, 'flow', 'budget', 'quota', 'stopped')
end
