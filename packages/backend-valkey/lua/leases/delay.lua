--- Gives leases back and keeps their attempts until a time.
-- @flags allow-oom
-- @brings nothing
-- @args namespaces: string[], items: [execution: string, attempt: int, lease: string, epoch: int, untilMs: int][]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local answers = holders.each(u, a[1], a[2], 'd', function(x, attempt, item)
    transition.touch(u, x)
    local cause = outcomes.cancel_cause(u, x)
    local answer
    if cause then
      holders.cancel(u, x, attempt, cause)
      answer = { 'cancelled' }
    else
      attempt[A.state] = 'u'
      attempt[A.used] = attempt[A.used] + math.max(0, u.now - attempt[A.leased])
      transition.hold_until(u, x, item[5], 's')
      x[X.ready_at] = 0
      transition.runnable(u, x, 'i')
      answer = { 'delayed', item[5] }
    end
    attempt[A.op] = 'd'
    attempt[A.answer] = answer
    return answer
  end)
  flush.run(u)
  return answers
end
