--- Announces a worker instance. One that is known owes the leases that it held until they were handed back: the answer says so.
-- @flags
-- @brings nothing
-- @args instance: string, namespaces: string[], text: string
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  local is_known = registries.worker(u, a[1]) ~= nil
  local owes = is_known and registries.STAYS or registries.NOTHING
  redis.call('HSET', registries.workers_key(u), a[1], cmsgpack.pack({ a[2], a[3], u.now }),
    a[1] .. '.', cmsgpack.pack({ 0, 0, u.now, owes, registries.LIBRARY }))
  return is_known
end
