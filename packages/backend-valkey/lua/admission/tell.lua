--- Tells the feed what became of budgets: [number, budget, change, period, namespace] each, of a budget in their order. What was told
-- is not told again.
-- @flags allow-oom
-- @brings nothing
-- @args items: [number: int, budget: string, change: string, period: int, namespace: string][]
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  local key = u.key.idx .. 'budgets_told'
  local staged = flush.staged(u)
  for _, item in ipairs(a[1]) do
    u.told = u.told or {}
    local last = u.told[item[2]] or tonumber(redis.call('HGET', key, item[2]) or '0')
    if item[1] > last then
      u.told[item[2]] = item[1]
      staged.hashes[key] = staged.hashes[key] or {}
      table.insert(staged.hashes[key], item[2])
      table.insert(staged.hashes[key], item[1])
      table.insert(u.news.events, { 'b', item[2], item[5], item[3], item[4] })
    end
  end
  flush.run(u)
  return ''
end
