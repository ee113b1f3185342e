--- Groups whose losers are to be cancelled: [flow, node], nodes of a flow in the order in which they were accepted.
-- @flags no-writes
-- @args max: int
-- @reply [flow: string, node: string][]
-- @errors corruption schema_mismatch
local SAMPLE_MAX = 500

return function(u, a)
  local list, ids = {}, {}
  for _, tuple in ipairs(redis.call('SRANDMEMBER', u.key.idx .. 'pending_cancel_groups', SAMPLE_MAX)) do
    local flow, node = string.match(tuple, '^([0-9a-f-]+)|([0-9a-f-]+)$')
    -- One that says nothing is the reconciler's.
    if flow then
      list[#list + 1] = { flow = flow, node = node }
      ids[#ids + 1] = node
    end
  end
  record.load(u, ids, {})
  for _, each in ipairs(list) do
    local x = u.records[each.node]
    each.seq = x and x[X.seq] or 0
  end
  table.sort(list, function(one, other)
    if one.flow ~= other.flow then return one.flow < other.flow end
    if one.seq ~= other.seq then return one.seq < other.seq end
    return one.node < other.node
  end)
  local told = {}
  for place = 1, math.min(#list, a[1]) do told[place] = { list[place].flow, list[place].node } end
  return told
end
