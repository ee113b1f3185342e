--- A namespace's executions in the partition, newest first, from behind a position on: up to `want` that match, of a few hundred
-- that are looked at. Says how far it came. Their records come along in the order of the ids.
-- @flags no-writes
-- @args namespace: string, classes: string[], beforeMs: int, beforeId: string, sinceMs: int, want: int, filter: [lane: string, kind: string, states: string, flow: string, tags: [key: string, value: string][], endedFromMs: number, endedBeforeMs: number, budget: string]
-- @reply [ids: string[], reachedMs: number, reachedId: string, isEnd: boolean]
-- @errors corruption schema_mismatch
local LOOK_MAX = 400

return function(u, a)
  local ids, bytes = {}, {}
  local reached, is_end = listing.walk(listing.keys(u, a[1], a[2]), { a[3], a[4] }, a[5], LOOK_MAX,
    function(found) record.load(u, found) end,
    function(id)
      local x = u.records[id]
      if x and filter.matches(u, x, a[1], a[7]) then
        ids[#ids + 1] = id
        bytes[#bytes + 1] = record.stored(u, x)
      end
      return #ids == a[6]
    end)
  return { ids, reached[1], reached[2], is_end }, bytes
end
