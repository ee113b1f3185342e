--- Counts a namespace's executions in the partition that match, from behind a position on, of a few hundred that are looked at:
-- apart by `by`, which is 'lane', 'kind', 'state' (told by its letter) or '' for all together.
-- @flags no-writes
-- @args namespace: string, classes: string[], beforeMs: int, beforeId: string, sinceMs: int, by: string, filter: [lane: string, kind: string, states: string, flow: string, tags: [key: string, value: string][], endedFromMs: number, endedBeforeMs: number, budget: string]
-- @reply [groups: [name: string, count: int][], reachedMs: number, reachedId: string, isEnd: boolean]
-- @errors corruption schema_mismatch
local LOOK_MAX = 800

return function(u, a)
  local sums = {}
  local reached, is_end = listing.walk(listing.keys(u, a[1], a[2]), { a[3], a[4] }, a[5], LOOK_MAX,
    function(found) record.load(u, found) end,
    function(id)
      local x = u.records[id]
      if x and filter.matches(u, x, a[1], a[7]) then
        local group = filter.group(u, x, a[6])
        sums[group] = (sums[group] or 0) + 1
      end
      return false
    end)
  return { filter.groups(sums), reached[1], reached[2], is_end }
end
