--- When the next reset of the partition is due (0: none), and whether there is room for somebody who waits, or something to look at.
-- @flags no-writes
-- @args
-- @reply [resetsDueMs: number, isParked: boolean]
-- @errors corruption schema_mismatch
return function(u)
  local wake = resources.first_look(u)
  return {
    tonumber(redis.call('ZRANGE', u.key.idx .. 'resets_due', 0, 0, 'WITHSCORES')[2] or 0),
    (wake > 0 and wake <= u.now) or resources.has_lapsed(u),
  }
end
