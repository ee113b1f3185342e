--- Begins a new period, once for each key within a day. Answers whether it did, the budget or nothing, and what follows elsewhere.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args id: string, namespace: string, key: string, rememberMs: int
-- @reply [isNew: boolean, budget: unknown[], announcement: string]
-- @errors corruption schema_mismatch
return function(u, a)
  local b = budgets.get(u, a[1], a[2])
  if not b then return { false, {}, '' } end
  local keys = budgets.part_key(u, a[1], 'resets')
  local at = tonumber(redis.call('ZSCORE', keys, a[3]) or '')
  if at and at + a[4] > u.now then return { false, budgets.tell(u, b), '' } end
  for _, old in ipairs(redis.call('ZRANGE', keys, '-inf', u.now - a[4], 'BYSCORE', 'LIMIT', 0, 100)) do
    if old ~= a[3] then flush.staged(u).cut(keys, old) end
  end
  flush.staged(u).add(keys, u.now, a[3])
  local said = budgets.begin_period(u, b, u.now)
  resources.flush(u)
  return { true, budgets.tell(u, b), said }
end
