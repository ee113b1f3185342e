--- Notes that attempts take slots of quotas by hand, before they do; or only looks whether they may. An item that passes is
-- answered `held`, with its namespace.
-- @flags allow-oom
-- @brings record
-- @args namespaces: string[], items: [execution: string, attempt: int, lease: string, epoch: int, quota: string, key: string, takes: boolean][]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local answers = holders.each(u, a[1], a[2], 'q', function(x, attempt, item)
    if item[7] then demands.use(u, x, attempt, item[5], item[6]) end
    return { 'held', routes.of(u, x[X.rid]).ns }
  end)
  flush.run(u)
  return answers
end
