--- Writes how far a bulk operation or a webhook has come if it is at that version, which it raises. A definition that is '' stays.
-- Answers whether it did.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args kind: string, name: string, expected: int, dueMs: number, progress: string, definition: string
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local known = records.get(u, a[1], a[2])
  if not known or known[2] ~= a[3] then return false end
  records.write(u, a[1], a[2], a[3] + 1, a[4], a[5], a[6])
  return true
end
