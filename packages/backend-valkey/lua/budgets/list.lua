--- Budgets of a namespace in the partition, newest first, from behind a place on.
-- @flags no-writes
-- @args namespace: string, createdMs: number, id: string, max: int
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local told = {}
  for _, id in ipairs(directory.newest(u, budgets.list_key(u, a[1]), a[2], a[3], a[4])) do
    local b = budgets.get(u, id)
    if b then told[#told + 1] = budgets.tell(u, b) end
  end
  return told
end
