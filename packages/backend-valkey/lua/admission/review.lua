--- Counts resources of the partition again, those that were not for longest, and sets right what is not what its entries add up to.
-- Answers which were, and the holders of all of them that are not tentative.
-- @flags allow-oom
-- @brings nothing
-- @args max: int, againMs: int
-- @reply [drift: [name: string, finding: string][], holders: [name: string, holder: string][], more: boolean]
-- @errors corruption schema_mismatch
local HOLDERS_MAX = 1000

local function review_quota(u, id, key, holders)
  local sum = 0
  for _, each in ipairs(holders) do sum = sum + each[2][6] end
  return quotas.recount(u, id, key, sum)
end

local function review_budget(u, id, holders)
  local reserved = {}
  for _, each in ipairs(holders) do budgets.add(reserved, budgets.amounts(each[2][6]), 1) end
  return budgets.recount(u, id, reserved)
end

return function(u, a)
  local index = u.key.idx .. 'reviews'
  local names = redis.call('ZRANGE', index, '-inf', u.now, 'BYSCORE', 'LIMIT', 0, a[1])
  local drift, told = {}, {}
  for _, name in ipairs(names) do
    local kind, id, key = resources.read_name(name)
    local holders = resources.all_holders(u, name)
    local finding
    if kind == 'q' then finding = review_quota(u, id, key, holders) else finding = review_budget(u, id, holders) end
    if finding then drift[#drift + 1] = { name, finding } end
    for place, each in ipairs(holders) do
      if place > HOLDERS_MAX then break end
      if each[2][1] == 0 or each[2][1] <= u.now then told[#told + 1] = { name, each[1] } end
    end
    if kind == 'q' and #holders == 0 and #quotas.count(u, id, key)[2] == 0 then flush.staged(u).cut(index, name)
    else flush.staged(u).add(index, u.now + a[2], name) end
  end
  resources.flush(u)
  return { drift, told, #names == a[1] }
end
