--- An execution as it is now: its record.
-- @flags no-writes
-- @args id: string
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  local x = record.get(u, a[1])
  if not x then return false end
  return true, { record.stored(u, x) }
end
