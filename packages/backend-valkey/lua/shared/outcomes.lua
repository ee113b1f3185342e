-- What follows when an attempt ends without success. The attempt itself is closed by then.

-- Why it is to end as cancelled as soon as it does not run any more, or nil.
function outcomes.cancel_cause(u, x)
  if x[X.asked] ~= '' then return x[X.asked] end
  if x[X.flow] ~= '' and members.is_ended_by_flow(u, x) then return 'flow' end
  return nil
end

-- After a failure: cancelled anyway, failed for good, or tried again. `wish` is 'policy', 'never', 'at' with a time or 'after' with a pause.
-- Answers the word and the time of the retry.
function outcomes.follow_failure(u, x, failure, wish, at)
  local cause = outcomes.cancel_cause(u, x)
  if cause then
    transition.cancel(u, x, cause)
    return 'cancelled', 0
  end
  if wish == 'never' or not policy.may_retry(x, failure[1]) then
    transition.finish(u, x, 'f', 'h', nil, failure)
    return 'failed', 0
  end
  local retry_at
  if wish == 'at' then retry_at = math.max(u.now, at)
  elseif wish == 'after' then retry_at = u.now + at
  else retry_at = u.now + policy.backoff(u, x) end
  transition.touch(u, x)
  transition.hold_until(u, x, retry_at, 'r')
  x[X.ready_at] = 0
  transition.runnable(u, x, 't')
  return 'retrying', retry_at
end

-- A lease ran out ('l') or was taken away ('v'): it becomes claimable again by itself, up to its bound.
function outcomes.lose_lease(u, x, by)
  transition.touch(u, x)
  attempts.close(u, x, 'i', by)
  if by == 'v' then hints.attention(u, record.id(u, x)) end
  local cause = outcomes.cancel_cause(u, x)
  if cause then
    transition.cancel(u, x, cause)
    return 'cancelled'
  end
  local most = policy.max_reclaims(x)
  if x[X.reclaims] + 1 > most then
    transition.finish(u, x, 'f', by, nil, { 'max_reclaims_exceeded', 'more than ' .. most .. ' leases were lost' })
    return 'failed'
  end
  x[X.reclaims] = x[X.reclaims] + 1
  transition.hold_until(u, x, u.now + policy.reclaim_pause(u, x[X.reclaims]), 'c')
  transition.runnable(u, x, 'c', 'x')
  return 'reclaimable'
end

-- The attempt used up its time: a failure like another.
function outcomes.time_out(u, x)
  transition.touch(u, x)
  local failure = { 'timeout', 'the attempt ran longer than ' .. string.format('%d', policy.attempt_timeout(x)) .. ' ms' }
  attempts.close(u, x, 'f', 't', failure)
  hints.attention(u, record.id(u, x))
  outcomes.follow_failure(u, x, failure, 'policy', 0)
end
