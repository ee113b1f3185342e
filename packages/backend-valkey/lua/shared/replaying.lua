-- A replay of many members. It sets the flow to replaying, in which nothing is claimed, decided or added, and goes on in
-- steps that any dispatcher can finish. Its plan lies beside the flow:
-- `replay`: [stage, place from which it goes on, members, the flow's state before, entry of the outbox, when the flow had
-- ended, members with new inputs]
-- `plan`: of each member its id and the outcome that the plan was made for, in order of creation.
-- Stages: i new inputs are still to come, v members are looked at once more, r they are reset, c their groups count what
-- upstreams outside have come to, and decide, l their nodes are let go.

local ROW = 37
local LOOKED_MAX = 250
local INPUTS_WITHIN_MS = 60000
local ANNOUNCED_MAX = 256

local function plan_keys(u, f)
  local id = u.flow_ids[f]
  return flows.key(u, id, 'replay'), flows.key(u, id, 'plan')
end

-- Begins one: [id, outcome] of each member. With `has_inputs` these come next. Answers the name under which they come.
function replaying.begin(u, f, rows, has_inputs)
  local key, plan = plan_keys(u, f)
  local text = {}
  for place, row in ipairs(rows) do text[place] = row[1] .. row[2] end
  aside.put(u, plan, table.concat(text))
  local entry_id = outbox.put(u, { 'p', u.flow_ids[f], '', f[F.generation], 1, 0 })
  -- Who brings the inputs may die: then the dispatcher takes it all back.
  if has_inputs then outbox.keep(u, entry_id, nil, u.now + INPUTS_WITHIN_MS) end
  aside.put(u, key, cmsgpack.pack({ has_inputs and 'i' or 'v', 1, #rows, f[F.state], entry_id, f[F.ended], {} }))
  flows.set_state(u, f, 'p')
  f[F.ended] = 0
  return entry_id
end

-- The replay under way.
function replaying.read(u, f)
  local key = plan_keys(u, f)
  local ok, plan = pcall(cmsgpack.unpack, redis.call('GET', key) or '')
  if not ok or type(plan) ~= 'table' or type(plan[7]) ~= 'table' then call.refuse('corruption', key) end
  return plan
end

local function input_key(u, id)
  return record.payload_key(u, id, 'fork')
end

local function write(u, f, plan)
  aside.put(u, plan_keys(u, f), cmsgpack.pack(plan))
end

-- Keeps new inputs: [id, input or false, hash of the old one] each. With the last ones the replay goes on.
function replaying.keep_inputs(u, f, plan, list, is_last)
  for _, each in ipairs(list) do
    plan[7][#plan[7] + 1] = each[1]
    aside.put(u, input_key(u, each[1]), cmsgpack.pack({ each[2] and 1 or 0, each[3] }) .. (each[2] or ''))
  end
  if is_last then
    plan[1] = 'v'
    outbox.keep(u, plan[5], nil, u.now)
  end
  write(u, f, plan)
end

local function drop(u, f, plan)
  local key, rows = plan_keys(u, f)
  aside.drop(u, key)
  aside.drop(u, rows)
  outbox.remove(u, plan[5])
end

local function rows_of(u, f, plan, max)
  local _, key = plan_keys(u, f)
  local text = redis.call('GETRANGE', key, (plan[2] - 1) * ROW, math.min(plan[2] - 1 + max, plan[3]) * ROW - 1)
  local ids, outcomes = {}, {}
  for place = 1, #text, ROW do
    ids[#ids + 1] = string.sub(text, place, place + ROW - 2)
    outcomes[#outcomes + 1] = string.sub(text, place + ROW - 1, place + ROW - 1)
  end
  if #ids == 0 then call.refuse('corruption', key) end
  record.load(u, ids)
  return ids, outcomes
end

-- New inputs that were brought beforehand, by id. They go with the step that uses them.
local function inputs_of(u, ids)
  local keys, inputs = {}, {}
  for place, id in ipairs(ids) do keys[place] = input_key(u, id) end
  for place, text in ipairs(redis.call('MGET', unpack(keys))) do
    if text then
      local ok, read, head = pcall(cmsgpack.unpack_one, text, 0)
      if not ok or type(head) ~= 'table' then call.refuse('corruption', keys[place]) end
      if read < 0 then read = #text end
      inputs[ids[place]] = { head[1] == 1 and string.sub(text, read + 1), head[2] }
      aside.drop(u, keys[place])
    end
  end
  return inputs
end

-- What was read is not so any more: all as it was, and whoever asked plans anew.
local function take_back(u, f, plan)
  drop(u, f, plan)
  for _, id in ipairs(plan[7]) do aside.drop(u, input_key(u, id)) end
  flows.set_state(u, f, plan[4])
  f[F.ended] = plan[6]
  outbox.unpark(u, u.flow_ids[f])
  settlement.look(u, f)
end

local function verify(u, f, plan)
  local ids, outcomes = rows_of(u, f, plan, LOOKED_MAX)
  for place, id in ipairs(ids) do
    if not replays.fits(u.records[id], u.flow_ids[f], outcomes[place]) then
      take_back(u, f, plan)
      return 'again'
    end
  end
  plan[2] = plan[2] + #ids
  if plan[2] > plan[3] then replays.reopen_flow(u, f) end
  return 'going'
end

local function reset(u, f, plan, max)
  local ids = rows_of(u, f, plan, max)
  replays.reset(u, ids, inputs_of(u, ids))
  plan[2] = plan[2] + #ids
  return 'going', #ids
end

local function count_and_decide(u, f, plan, max)
  local ids = rows_of(u, f, plan, max)
  local list = replays.judged(u, f, ids)
  for _, each in ipairs(list) do replays.count(u, each[2], each[3]) end
  judge.decide(u, list, true)
  plan[2] = plan[2] + #ids
  return 'going'
end

local function let_go(u, f, plan, max)
  local ids = rows_of(u, f, plan, max)
  local list, decided = replays.judged(u, f, ids), {}
  for place, each in ipairs(list) do decided[place] = each[3][G.state] ~= 'p' end
  judge.let_go(u, list, decided, true)
  plan[2] = plan[2] + #ids
  return 'going'
end

local STAGES = { v = verify, r = reset, c = count_and_decide, l = let_go }
local NEXT = { v = 'r', r = 'c', c = 'l' }

-- Claims that met the flow while it was closed take what waits here for not to be had: it is announced anew.
local function announce(u)
  for _, rid in ipairs(redis.call('SRANDMEMBER', u.key.idx .. 'ready_index', ANNOUNCED_MAX)) do
    local count = redis.call('ZCARD', u.key.idx .. 'ready:' .. rid) + (u.lines and lines.count(u, rid) or 0)
    if count > 0 then hints.ready(u, rid, count, true) end
  end
  u.edges = u.edges + 1
  u.edges_moved = true
end

-- The flow is open again.
local function finish(u, f, plan)
  drop(u, f, plan)
  flows.set_state(u, f, 'o')
  outbox.unpark(u, u.flow_ids[f])
  settlement.look(u, f)
  announce(u)
end

-- One more step. Answers 'done', 'going', or 'again' when it was taken back; and how many members it reset.
function replaying.next(u, f, max)
  if f[F.state] ~= 'p' then return 'done', 0 end
  local plan = replaying.read(u, f)
  if plan[1] == 'i' then
    take_back(u, f, plan)
    return 'again', 0
  end
  flows.touch(u, f)
  local word, n = STAGES[plan[1]](u, f, plan, max)
  if word == 'again' then return word, 0 end
  if plan[2] <= plan[3] then
    write(u, f, plan)
  elseif NEXT[plan[1]] then
    plan[1], plan[2] = NEXT[plan[1]], 1
    write(u, f, plan)
  else
    finish(u, f, plan)
    return 'done', 0
  end
  return 'going', n or 0
end
