--- What is pending of what belongs to no partition: whether changes of lanes are unfinished, and whether anything is past its
-- retention.
-- @flags no-writes
-- @args tokenKeptMs: int, auditAgeMs: int
-- @reply [laneCopies: boolean, retention: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local has_copies = redis.call('ZCARD', u.key.idx .. 'lanes_to_sync') > 0
  return { has_copies, tokens.is_due(u, a[1]) or audit.is_due(u, a[2]) }
end
