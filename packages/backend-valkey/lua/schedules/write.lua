--- Writes a schedule if it is at that version, which it raises. What is '' stays. Answers whether it did.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args name: string, expected: int, dueMs: number, progress: string, label: string, definition: string, work: string
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local known = schedules.get(u, a[1])
  if not known or known[3] ~= a[2] then return false end
  schedules.write(u, a[1], known, a[2] + 1, a[3], a[4], a[5], a[6], a[7])
  return true
end
