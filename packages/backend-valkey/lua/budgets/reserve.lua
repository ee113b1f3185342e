--- Reserves the estimates of executions of one line, in their order, up to the first that there is no room for. Its line is registered
-- as a waiter in this step. `flags` as in `quotas/reserve`.
-- @brings nothing
-- @args id: string, waiter: string, token: string, origin: string, ids: string, items: [number: int, begins: boolean, estimate: unknown[]][]
-- @reply [namespace: string, flags: string]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local b = budgets.get(u, a[1])
  if not b then call.refuse('corruption', 'budget ' .. a[1]) end
  bundles.require_origin(a[4])
  local flags, is_over, taken = {}, false, budgets.reserve_together(u, b, a[4], a[5], a[6])
  for place, item in ipairs(a[6]) do
    if place <= taken then
      flags[place] = 't'
    elseif is_over then
      flags[place] = '-'
    else
      local holder = bundles.holder(a[4], string.sub(a[5], 36 * place - 35, 36 * place), item[1])
      if budgets.reserve(u, b, holder, budgets.amounts(item[3])) then
        flags[place], is_over = 'r', true
        resources.wait(u, resources.of_budget(a[1]), a[2], { a[3], item[2], item[3], 0 })
      else
        flags[place] = 't'
      end
    end
  end
  resources.flush(u)
  return { b.row[B.ns], table.concat(flags) }
end
