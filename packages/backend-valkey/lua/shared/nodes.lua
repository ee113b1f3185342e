-- The short way of members of flows, beside `plain`: what their flow and their edges have to do with a start and with an end. Where a
-- member's record tells of its flow, the flow's id is followed by the member's name.

local ID_LENGTH = 36

function nodes.flow_id(text, at)
  return string.sub(text, at, at + ID_LENGTH - 1)
end

local function name(text, at)
  local _, found = cmsgpack.unpack_one(text, at + ID_LENGTH - 1)
  return found
end

-- The flow, which must be there and decode; or false.
function nodes.flow(u, id)
  local ok, f = sound.try(flows.get, u, id)
  return ok and f
end

-- Whether those of them that are members, of which `members_at` tells where in their texts, may start as any execution may: their
-- flows are open, and nothing is handed down to them.
function nodes.may_start(u, ids, texts, members_at)
  local members, owners = {}, {}
  for place, at in ipairs(members_at) do
    if at then
      members[#members + 1] = ids[place]
      owners[#owners + 1] = nodes.flow_id(texts[place], at)
    end
  end
  sound.flows(u, owners)
  for _, id in ipairs(owners) do
    local f = u.flows[id]
    if not f or f[F.state] ~= 'o' or f[F.expiring] == 1 then return false end
  end
  sound.groups(u, members)
  for _, id in ipairs(members) do
    local g = u.groups[id]
    if g == nil or (g and g[G.named] == 1) then return false end
  end
  return true
end

local function tell(u, id, text, at, route, public, before)
  local list = u.news.events
  list[#list + 1] = { 'x', id, route, nodes.flow_id(text, at), name(text, at), public, before, 1, 1, '' }
end

-- A new node of an open flow: claimable, or blocked by its upstreams. Answers whether it is as plain as that.
function nodes.accept(u, f, flow_id, id, node, route)
  if u.fault or node[3] ~= 0 or node[4] ~= 0 or not policy.is_priority(node[2]) then return false end
  local own, input = policy.plain_bytes(node[5]), call.bytes(u, node[8])
  if not own then return false end
  local run, rid, priority, is_open = plain.runs(), route[1], node[2], #node[11] == 0
  local front, before_flow = run.waiting, run.before_flow
  if not is_open then front, before_flow = run.blocked, node[10][4] == 'a' and run.always_before_flow or run.blocked_before_flow end
  local score = is_open and u.now - priority * lanes.step(lanes.of(u, route[3])) or 0
  local blocks = before_flow .. flow_id .. cmsgpack.pack(node[9]) .. run.after_name
  local text, number = plain.compose(u, id, rid, front, priority, score, is_open, blocks, own, node[6], node[7], input,
    #node[12] > 0 and run.last_with_outs or run.last)
  local staged = flush.staged(u)
  local plan = flush.plan(staged, rid)
  if is_open then plain.queue(u, staged, plan, id, number, score) else plain.block(u, staged, plan, id) end
  plain.put(u, staged, id, text)
  routes.use(u, rid)
  local public, list = is_open and 'w' or 'b', u.news.events
  list[#list + 1] = { 'x', id, routes.of(u, rid), flow_id, node[9], public, '', 0, 1, '' }
  members.count(u, f, false, public)
  return true
end

function nodes.started(u, id, text, at, rid)
  tell(u, id, text, at, routes.of(u, rid), 'a', 'w')
  members.count(u, u.flows[nodes.flow_id(text, at)], 'w', 'a')
end

function nodes.completed(u, f, id, text, at, route, kept, has_outs)
  tell(u, id, text, at, route, 'c', 'a')
  members.count(u, f, 'a', 'c', false, kept)
  outbox.leave_end(u, f, {
    id = id, flow = nodes.flow_id(text, at), generation = 1, from = 1, letter = 's', has_outs = has_outs,
  })
end
