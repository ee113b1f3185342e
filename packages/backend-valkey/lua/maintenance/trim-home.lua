--- Removes up to `max` tokens that ended so long ago, and as many entries of the audit log that are so old. -1: that could not be
-- read.
-- @flags allow-oom
-- @brings nothing
-- @args max: int, tokenKeptMs: int, auditAgeMs: int
-- @reply [tokens: number, entries: number]
-- @errors corruption schema_mismatch
return function(u, a)
  local max = math.min(a[1], 500)
  local has_tokens, removed = sound.try(tokens.trim, u, a[2], max)
  local has_audit, entries = sound.try(audit.trim, u, a[3], max)
  return { has_tokens and removed or -1, has_audit and entries or -1 }
end
