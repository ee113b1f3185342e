--- Makes a bulk operation unless it is there. Answers whether it did.
-- @repeat request
-- @brings record
-- @args name: string, createdMs: number, dueMs: number, definition: string, progress: string
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  if operations.get(u, a[1]) then return false end
  operations.create(u, a[1], a[2], a[3], a[4], a[5])
  return true
end
