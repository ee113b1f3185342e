--- Counts a namespace's executions in the partition that match, from behind a position on, of a few hundred that are looked at.
-- @flags no-writes
-- @args namespace: string, classes: string[], beforeMs: int, beforeId: string, sinceMs: int, filter: [lane: string, kind: string, states: string, flow: string, tags: [key: string, value: string][], budget: string]
-- @reply [count: int, reachedMs: number, reachedId: string, isEnd: boolean]
-- @errors corruption schema_mismatch
local LOOK_MAX = 800

return function(u, a)
  local n = 0
  local reached, is_end = listing.walk(listing.keys(u, a[1], a[2]), { a[3], a[4] }, a[5], LOOK_MAX,
    function(found) record.load(u, found) end,
    function(id)
      local x = u.records[id]
      if x and filter.matches(u, x, a[1], a[6]) then n = n + 1 end
      return false
    end)
  return { n, reached[1], reached[2], is_end }
end
