--- Gives back what leases held of quotas and budgets of the partition, with its units where no attempt began; and takes out waiters
-- that wait no more. Each is applied once. Answers whether somebody may be woken.
-- @flags allow-oom
-- @brings nothing
-- @args names: [name: string, holders: [holder: string, withUnits: boolean][], waiters: [waiter: string, token: string][]][]
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  for _, each in ipairs(a[1]) do
    local kind, id, key = resources.read_name(each[1])
    if kind == 'q' then quotas.give_back_all(u, id, key, each[2]) else budgets.give_back_all(u, id, each[2]) end
    for _, waiter in ipairs(each[3]) do resources.forget_waiter(u, each[1], waiter[1], waiter[2]) end
  end
  local is_any = u.looks ~= nil
  resources.flush(u)
  return is_any
end
