--- What is pending of what belongs to no partition: whether changes of lanes are unfinished, and whether anything is past its
-- retention. What cannot be read keeps nothing else back: whoever needs it is told.
-- @flags no-writes
-- @args tokenKeptMs: int, auditAgeMs: int
-- @reply [laneCopies: boolean, retention: boolean]
-- @errors corruption schema_mismatch
local function is_due(u, look, ms)
  local is_sound, due = sound.try(look, u, ms)
  return is_sound and due
end

return function(u, a)
  local has_copies = redis.call('ZCARD', u.key.idx .. 'lanes_to_sync') > 0
  return { has_copies, is_due(u, tokens.is_due, a[1]) or is_due(u, audit.is_due, a[2]) }
end
