--- What is counted of keys: slots, units, who waits, and when a unit has room (0: it has, or never will).
-- @flags no-writes
-- @args items: [id: string, key: string, units: int, windowMs: int, cost: int, version: int, past: string][]
-- @reply [held: int, units: int, waiting: int, retryMs: number][]
-- @errors corruption schema_mismatch
return function(u, a)
  local told = {}
  for place, item in ipairs(a[1]) do
    local count = quotas.count(u, item[1], item[2])
    local used = 0
    if item[3] > 0 then
      quotas.forget(item[6], item[7], count)
      local _, sum = room.live(count[2], item[4], u.now)
      used = sum
    end
    told[place] = {
      count[1], used, resources.count_waiters(u, resources.of_quota(item[1], item[2])),
      room.retry_at(item[3], item[4], count[2], item[5], u.now),
    }
  end
  return told
end
