--- Gives back what leases held of quotas and budgets of the partition, with its units where no attempt began; and takes out waiters
-- that wait no more. Each is applied once. `leases` are {UUID, number of its lease, …} of one origin, see `bundles`. Answers whether
-- somebody may be woken.
-- @flags allow-oom
-- @brings nothing
-- @args names: [name: string, held: [origin: string, withUnits: boolean, leases: unknown[]][], waiters: [waiter: string, token: string][]][]
-- @reply boolean
-- @errors corruption schema_mismatch invalid_arguments
local function check(held)
  bundles.require_origin(held[1])
  for at = 1, #held[3], 2 do
    if type(held[3][at]) ~= 'string' or type(held[3][at + 1]) ~= 'number' then call.refuse('invalid_arguments', 'leases') end
  end
end

return function(u, a)
  for _, each in ipairs(a[1]) do
    local kind, id, key = resources.read_name(each[1])
    for _, held in ipairs(each[2]) do
      check(held)
      if kind == 'q' then quotas.give_back_all(u, id, key, held[1], held[2], held[3])
      else budgets.give_back_all(u, id, held[1], held[3]) end
    end
    for _, waiter in ipairs(each[3]) do resources.forget_waiter(u, each[1], waiter[1], waiter[2]) end
  end
  local is_any = u.looks ~= nil
  resources.flush(u)
  return is_any
end
