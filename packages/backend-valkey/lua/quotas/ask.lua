--- Asks the one that has its slot of a key for longest to make room for a line that waits there, if there is none yet. Answers the
-- holder that is to be cancelled, or ''.
-- @brings nothing
-- @args id: string, key: string, waiter: string, token: string
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  local settings, name = quotas.settings(u, a[1]), resources.of_quota(a[1], a[2])
  if not settings or settings[Q.concurrency] == 0 or settings[Q.strategy] ~= 'cancel_oldest' then return '' end
  if not resources.is_waiting(u, name, a[3], a[4]) then return '' end
  if quotas.count(u, a[1], a[2])[1] < settings[Q.concurrency] then return '' end
  local oldest = quotas.oldest(u, name)
  if not oldest then return '' end
  oldest[2][5] = 1
  resources.put_holder(u, name, oldest[1], oldest[2])
  flush.staged(u).add(u.key.idx .. 'to_cancel', u.now + 10000, name .. '\0' .. oldest[1])
  resources.flush(u)
  return oldest[1]
end
