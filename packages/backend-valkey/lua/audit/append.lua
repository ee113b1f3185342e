--- Records an action, or what came of one that was recorded without that. '' is what is not stated. Answers 'appended', 'completed'
-- or 'duplicate'.
-- @flags
-- @repeat request
-- @brings record
-- @args action: string, namespace: string, actor: string, operation: string, subjects: string[], hasReason: boolean, reason: string, outcome: string
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  directory.open(u, 'audit')
  local known = directory.get(u, 'audit', a[1])
  if not known then
    audit.add(u, a[1], { a[2] ~= '' and a[2], a[3], a[4], a[5], a[6] and a[7], a[8] ~= '' and a[8], u.now })
    return 'appended'
  end
  if known[audit.OUTCOME] or a[8] == '' then return 'duplicate' end
  known[audit.OUTCOME] = a[8]
  directory.set(u, 'audit', a[1], known)
  return 'completed'
end
