--- Extends leases; never shortens one.
-- @flags allow-oom
-- @brings nothing
-- @args namespaces: string[], items: [execution: string, attempt: int, lease: string, epoch: int, ttlMs: int][]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local answers = holders.each(u, a[1], a[2], 'r', function(x, attempt, item)
    transition.touch(u, x)
    -- Its entry among the instance's leases stays early: it is looked at once too often, never too late.
    attempt[A.expires] = math.max(attempt[A.expires], u.now + item[5])
    return { 'renewed', attempt[A.expires], x[X.asked] ~= '' and x[X.grace] or 0, x[X.asked] }
  end)
  flush.run(u)
  return answers
end
