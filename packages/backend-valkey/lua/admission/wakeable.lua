--- Who of those that wait for something of the partition can be admitted together now, those that wait longest first. They wait until
-- they are said to be woken.
-- @flags allow-oom
-- @brings nothing
-- @args max: int
-- @reply [names: [name: string, waiters: [waiter: string, token: string][]][], more: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local told, is_more = resources.wakeable(u, a[1])
  resources.flush(u)
  return { told, is_more }
end
