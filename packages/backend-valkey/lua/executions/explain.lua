--- What `explain` needs of the partition: the execution, its lane's copy, how many claimable ones of its route are ahead of it
-- here, its flow, and its group with the upstreams that it waits for. The record comes along, the group's, and the
-- condition that it is suspended by.
-- @flags no-writes
-- @args namespace: string, id: string
-- @reply [lane: [state: string, concurrency: int], ahead: int, flow: [id: string, state: string, finalisers: int], group: int, upstreams: [id: string, name: string, state: string][], condition: int]
-- @errors corruption schema_mismatch not_found
local AHEAD_MAX = 1000
local UPSTREAMS_MAX = 100

local function pending_upstreams(u, id, g)
  local ids, told = {}, {}
  for place, edge in ipairs(groups.ins(u, id)) do
    if #ids == UPSTREAMS_MAX then break end
    if groups.cell(g, place) == 'p' then ids[#ids + 1] = edge[1] end
  end
  record.load(u, ids)
  for _, up in ipairs(ids) do
    local x = record.get(u, up)
    if x then told[#told + 1] = { up, x[X.name], state.public(x) } end
  end
  return told
end

return function(u, a)
  local x = operators.find(u, a[1], a[2])
  local lane = lanes.of_execution(u, x)
  local ahead = 0
  if x[X.phase] == 'r' and x[X.elig] == 'e' then
    local rank = redis.call('ZRANK', u.key.idx .. (x[X.demands] and lines.queue(x) or 'ready:' .. x[X.rid]), project.ready_member(x, a[2]))
    ahead = math.min(rank or 0, AHEAD_MAX)
  end
  local bytes, flow, group, upstreams = { record.stored(u, x) }, { '', '', 1 }, 0, {}
  if x[X.flow] ~= '' then
    local f, g = flows.require(u, x[X.flow]), groups.get(u, a[2])
    flow = { x[X.flow], f[F.state], f[F.policy] == '' and 1 or f[F.finalisers] }
    if g then
      bytes[2] = cmsgpack.pack(g)
      group, upstreams = 2, pending_upstreams(u, a[2], g)
    end
  end
  local condition = 0
  if suspending.stands(x) then
    bytes[#bytes + 1] = suspending.read(u, x)[2]
    condition = #bytes
  end
  local concurrency = lane.record and lane.record[L.concurrency] or 0
  return { { lane.state, concurrency }, ahead, flow, group, upstreams, condition }, bytes
end
