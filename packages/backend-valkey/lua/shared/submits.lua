-- Accepting solo executions.

-- A new record: nothing has happened to it yet.
function submits.draft(u, rid, priority, own, spec, hash, input)
  local kind, length = 0, 0
  if input then kind, length = #input > 512 and 2 or 1, #input > 512 and 0 or #input end
  return {
    'r', '-', '-', '-', '-', '1', rid, call.next_seq(u), u.now, priority, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0, '', '', '',
    '', 0, '', '', '', 0, 0, 0, own, spec, hash, kind, length, 0, 0, 0, 0, 0, 0, '', 0, 0,
  }
end

local ID_LENGTH = 36
local ACCEPTED = { 'a' }

local function accept(u, item, route, lane)
  item[6] = policy.read(call.bytes(u, item[6])) or call.refuse('invalid_arguments', 'policies')
  if #item[1] ~= ID_LENGTH then call.refuse('invalid_arguments', 'an id') end
  if not policy.is_priority(item[3]) then call.refuse('invalid_arguments', 'a priority') end
  local input = call.bytes(u, item[9])
  if plain.may_accept(u, item, lane) then
    plain.accept(u, item, route[1], lane, input)
    return ACCEPTED
  end
  local x = submits.draft(u, route[1], item[3], item[6].own, item[7], item[8], false)
  transition.create(u, item[1], x)
  if item[6].demands then demands.begin(x, item[6].demands) end
  if item[6].parent then family.child_created(u, x, item[6].parent) end
  if input then record.set_input(u, x, input) end
  transition.hold_until(u, x, item[4] > 0 and item[4] or u.now + item[5], 's')
  transition.runnable(u, x, '1')
  return ACCEPTED
end

-- `routes`: [rid, JSON, lane]; `items`: [id, place of its route, priority, start, delay, policies, spec, hash, input].
-- Answers of each: 'a' accepted; 't' taken, with the places of what is there; 'l' with the lane's state; 'r' too many routes.
function submits.run(u, list, items, bytes)
  local ids = {}
  for place, item in ipairs(items) do ids[place] = item[1] end
  record.expect_none(u, ids)
  local refused = routes.ensure(u, list)
  local answers = {}
  for place, item in ipairs(items) do
    local route = list[item[2]]
    if route == nil then call.refuse('invalid_arguments', 'a route') end
    local x = record.is_taken(u, item[1])
    if x then
      answers[place] = submits.taken(u, item[1], x, bytes)
    else
      local lane = lanes.of(u, route[3])
      if not lanes.accepts(lane) then answers[place] = { 'l', lane.state }
      elseif refused[route[1]] then answers[place] = { 'r' }
      else answers[place] = accept(u, item, route, lane) end
    end
  end
  return answers
end

-- What is stored under the id, for the caller to compare: ['t', namespace, kind, hash, place of the input or 0].
function submits.taken(u, id, x, bytes)
  local route = routes.of(u, x[X.rid])
  local input = record.payload(u, x, 'input')
  if input == true then input = redis.call('GET', record.payload_key(u, id, 'input')) end
  local place = 0
  if input then
    bytes[#bytes + 1] = input
    place = #bytes
  end
  return { 't', route.ns, route.kind, x[X.hash], place }
end
