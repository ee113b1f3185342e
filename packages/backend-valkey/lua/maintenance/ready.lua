--- What a process needs to know before it claims here for the first time: which routes have work, and all routes.
-- @flags no-writes
-- @args withRoutes: boolean
-- @reply [ready: string[], routes: string[], routesVersion: int]
-- @errors schema_mismatch
return function(u, a)
  local known = a[1] and redis.call('HGETALL', u.key.idx .. 'routes') or {}
  return { redis.call('SMEMBERS', u.key.idx .. 'ready_index'), known, routes.version(u) }
end
