--- Removes a bulk operation if it is at that version. Answers whether it did.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args name: string, expected: int
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local known = operations.get(u, a[1])
  if not known or known[2] ~= a[2] then return false end
  operations.remove(u, a[1])
  return true
end
