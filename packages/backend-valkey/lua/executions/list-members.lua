--- Members of a flow that match, of a few hundred from a place on: those behind a position, newest first, at most `want`, and how
-- many match, apart by `by` as in `count`. `next` is 0 after the last member.
-- @flags no-writes
-- @args namespace: string, flow: string, from: int, beforeMs: int, beforeId: string, sinceMs: int, want: int, by: string, filter: [lane: string, kind: string, states: string, flow: string, tags: [key: string, value: string][], endedFromMs: number, endedBeforeMs: number, budget: string]
-- @reply [ids: string[], groups: [name: string, count: int][], next: int]
-- @errors corruption schema_mismatch invalid_arguments
local LOOK_MAX = 400
local PLACE_MAX = 100000000

return function(u, a)
  if a[3] < 1 or a[3] > PLACE_MAX then call.refuse('invalid_arguments', 'a place') end
  local sums = {}
  local ids, found, bytes = members.ids(u, a[2], a[3], a[3] + LOOK_MAX - 1), {}, {}
  record.load(u, ids)
  for _, id in ipairs(ids) do
    local x = u.records[id]
    if x and x[X.created] >= a[6] and filter.matches(u, x, a[1], a[9])
      and (x[X.created] < a[4] or (x[X.created] == a[4] and id < a[5])) then
      found[#found + 1] = { x[X.created], id, x }
      local group = filter.group(u, x, a[8])
      sums[group] = (sums[group] or 0) + 1
    end
  end
  table.sort(found, function(one, other)
    if one[1] ~= other[1] then return one[1] > other[1] end
    return one[2] > other[2]
  end)
  local told = {}
  for place = 1, math.min(#found, a[7]) do
    told[place] = found[place][2]
    bytes[place] = record.stored(u, found[place][3])
  end
  return { told, filter.groups(sums), #ids == LOOK_MAX and a[3] + LOOK_MAX or 0 }, bytes
end
