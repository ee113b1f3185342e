--- Removes idempotency keys that have expired, where the clock stands still; elsewhere Valkey does it by itself.
-- @flags allow-oom
-- @brings nothing
-- @args max: int
-- @reply int
-- @errors corruption schema_mismatch
return function(u, a)
  return idempotency.trim(u, a[1])
end
