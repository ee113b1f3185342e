--- Looks at a sample of pending sibling cancels for what a crash left behind: of each its tuple and what it came to.
-- One with a sibling that still runs is the dispatcher's.
-- @flags allow-oom
-- @brings nothing
-- @args max: int
-- @reply [tuple: string, outcome: string][]
-- @errors corruption schema_mismatch
local function has_running(u, id, g)
  local ins, ids = groups.ins(u, id), {}
  for place, edge in ipairs(ins) do
    if groups.cell(g, place) == 'p' then ids[#ids + 1] = edge[1] end
  end
  record.load(u, ids, {})
  for _, each in ipairs(ids) do
    local x = u.records[each]
    if x == nil or (x and not state.is_terminal(x)) then return true end
  end
  return false
end

local function judge_tuple(u, tuple)
  local flow, id = string.match(tuple, '^([0-9a-f-]+)|([0-9a-f-]+)$')
  if flow == nil then
    u.tuples[#u.tuples + 1] = { tuple, false }
    return 'malformed'
  end
  local f, g = flows.get(u, flow), groups.get(u, id)
  if not f or not g or g[G.pending] == 0 then
    u.tuples[#u.tuples + 1] = { tuple, false }
    return 'sremmed_stale'
  end
  if not resolve.is_open(f) or has_running(u, id, g) then return 'no_op' end
  groups.clear_cancel(u, id, g)
  return 'completed_drain'
end

return function(u, a)
  local items = {}
  for place, tuple in ipairs(redis.call('SRANDMEMBER', u.key.idx .. 'pending_cancel_groups', a[1])) do
    local outcome, is_bad = call.read(judge_tuple, u, tuple)
    items[place] = { tuple, is_bad and 'error' or outcome }
  end
  flush.run(u)
  return items
end
