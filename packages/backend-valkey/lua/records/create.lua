--- Makes a bulk operation or a webhook unless it is there. Answers whether it did.
-- @repeat request
-- @brings record
-- @args kind: string, name: string, createdMs: number, dueMs: number, definition: string, progress: string
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  if records.get(u, a[1], a[2]) then return false end
  records.create(u, a[1], a[2], a[3], a[4], a[5], a[6])
  return true
end
