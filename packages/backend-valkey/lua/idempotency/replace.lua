--- Lets a key stand for another target, unless somebody else was faster.
-- @flags
-- @repeat request
-- @brings submit
-- @args name: string, seenTarget: string, seenReservedMs: int, target: string, ttlMs: int
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  return idempotency.replace(u, a[1], a[2], a[3], a[4], a[5])
end
