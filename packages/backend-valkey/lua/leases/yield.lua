--- Hands back work that was not started: as if its claim had not been, but for the epoch.
-- @flags allow-oom
-- @brings nothing
-- @args namespaces: string[], items: [execution: string, attempt: int, lease: string, epoch: int][]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local answers = holders.each(u, a[1], a[2], 'y', function(x, attempt, item)
    if attempt[A.effects] == 1 then return { 'attempt_has_effects' } end
    transition.touch(u, x)
    local cause = outcomes.cancel_cause(u, x)
    if cause then
      holders.cancel(u, x, attempt, cause)
      attempt[A.op] = 'y'
      attempt[A.answer] = { 'cancelled' }
      return { 'cancelled' }
    end
    attempts.take_back(u, x)
    if attempt[A.type] ~= 'c' then x[X.retries] = x[X.retries] - 1 end
    x[X.yielded] = item[3] .. '.' .. string.format('%.0f', item[4])
    if x[X.demands] and attempt[A.effects] == 0 then x[X.demands][D.back] = 1 end
    transition.runnable(u, x, attempt[A.before])
    return { 'yielded' }
  end)
  flush.run(u)
  return answers
end
