--- Makes a schedule unless it is there. Answers whether it did.
-- @repeat request
-- @brings record
-- @args name: string, dueMs: number, progress: string, label: string, definition: string, work: string
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  if schedules.get(u, a[1]) then return false end
  schedules.write(u, a[1], nil, 1, a[2], a[3], a[4], a[5], a[6])
  return true
end
