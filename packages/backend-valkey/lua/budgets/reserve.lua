--- Reserves the estimates of executions of one line, in their order, up to the first that there is no room for. Its line is registered
-- as a waiter in this step. `flags` as in `quotas/reserve`.
-- @brings nothing
-- @args id: string, waiter: string, token: string, items: [holder: string, begins: boolean, estimate: unknown[]][]
-- @reply [namespace: string, flags: string]
-- @errors corruption schema_mismatch
return function(u, a)
  local b = budgets.get(u, a[1])
  if not b then call.refuse('corruption', 'budget ' .. a[1]) end
  local flags, is_over, taken = {}, false, budgets.reserve_together(u, b, a[4])
  for place, item in ipairs(a[4]) do
    if place <= taken then
      flags[place] = 't'
    elseif is_over then
      flags[place] = '-'
    elseif budgets.reserve(u, b, item[1], budgets.amounts(item[3])) then
      flags[place], is_over = 'r', true
      resources.wait(u, resources.of_budget(a[1]), a[2], { a[3], item[2], item[3], 0 })
    else
      flags[place] = 't'
    end
  end
  resources.flush(u)
  return { b.row[B.ns], table.concat(flags) }
end
