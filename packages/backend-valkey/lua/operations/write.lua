--- Writes how far a bulk operation has come if it is at that version, which it raises. Answers whether it did.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args name: string, expected: int, dueMs: number, progress: string
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local known = operations.get(u, a[1])
  if not known or known[2] ~= a[2] then return false end
  operations.write(u, a[1], a[2] + 1, a[3], a[4])
  return true
end
