--- Removes up to `max` tokens that ended so long ago, and as many entries of the audit log that are so old.
-- @flags allow-oom
-- @args max: int, tokenKeptMs: int, auditAgeMs: int
-- @reply [tokens: int, entries: int]
-- @errors corruption schema_mismatch
return function(u, a)
  local max = math.min(a[1], 500)
  directory.open(u, 'audit')
  return { tokens.trim(u, a[2], max), audit.trim(u, a[3], max) }
end
