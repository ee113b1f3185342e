--- Budgets as they stand, or nothing, of each.
-- @flags no-writes
-- @args ids: string[]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local told = {}
  for place, id in ipairs(a[1]) do
    local b = budgets.get(u, id)
    told[place] = b and budgets.tell(u, b) or {}
  end
  return told
end
