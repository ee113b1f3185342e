--- Takes back what `reserve` counted, of submissions that were refused.
-- @flags allow-oom
-- @repeat request
-- @brings nothing
-- @args items: [name: string, target: string, reservedMs: int][]
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  idempotency.forget(u, a[1])
  return true
end
