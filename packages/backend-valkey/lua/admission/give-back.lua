--- Gives back what a lease held of quotas and budgets of the partition, with its units where no attempt began; and takes out waiters
-- that wait no more. Each is applied once. Answers whether somebody may be woken.
-- @flags allow-oom
-- @brings nothing
-- @args items: [name: string, holder: string, withUnits: boolean, waiter: string, token: string][]
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  for _, item in ipairs(a[1]) do
    local kind, id, key = resources.read_name(item[1])
    if item[2] ~= '' then
      if kind == 'q' then quotas.give_back(u, id, key, item[2], item[3])
      else budgets.give_back(u, id, item[2]) end
    end
    if item[5] ~= '' then resources.forget_waiter(u, item[1], item[4], item[5]) end
  end
  local is_any = u.looks ~= nil
  resources.flush(u)
  return is_any
end
