--- Removes a bulk operation or a webhook if it is at that version. Answers whether it did.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args kind: string, name: string, expected: int
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local known = records.get(u, a[1], a[2])
  if not known or known[2] ~= a[3] then return false end
  records.remove(u, a[1], a[2])
  return true
end
