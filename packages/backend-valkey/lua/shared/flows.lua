-- Flows as they are stored, beside their members: state, counts, cancel. One MessagePack array under one key.

function flows.key(u, id, part)
  return u.key.flow .. id .. ':' .. (part or 'core')
end

local function decode(u, id, text)
  local ok, f = pcall(cmsgpack.unpack, text)
  if not ok or type(f) ~= 'table' or type(f[F.counts]) ~= 'table' or type(f[F.stage_expires]) ~= 'number' then
    call.refuse('corruption', flows.key(u, id))
  end
  u.flow_ids[f] = id
  return f
end

function flows.load(u, ids)
  local wanted, keys = {}, {}
  for _, id in ipairs(ids) do
    if u.flows[id] == nil then
      u.flows[id] = false
      wanted[#wanted + 1] = id
      keys[#keys + 1] = flows.key(u, id)
    end
  end
  if #keys == 0 then return end
  local found = redis.call('MGET', unpack(keys))
  local absent = {}
  for place, id in ipairs(wanted) do
    if found[place] then
      u.flows[id] = decode(u, id, found[place])
    else
      absent[#absent + 1] = keys[place]
    end
  end
  if foreign.among(absent) then
    for _, id in ipairs(wanted) do u.flows[id] = u.flows[id] or nil end
    call.refuse('corruption', absent[1])
  end
end

-- Also one whose graph is still coming in parts, of which nobody is told.
function flows.get_any(u, id)
  if u.flows[id] == nil then flows.load(u, { id }) end
  return u.flows[id]
end

function flows.get(u, id)
  local f = flows.get_any(u, id)
  return f and f[F.state] ~= 's' and f
end

-- The flow of a member, which must be there.
function flows.require(u, id)
  local f = flows.get(u, id)
  if not f then call.refuse('corruption', flows.key(u, id)) end
  return f
end

-- Throws `not_found`, also for another namespace's.
function flows.find(u, namespace, id)
  local f = flows.get(u, id)
  if not f or f[F.ns] ~= namespace then call.refuse('not_found', id) end
  return f
end

local ENDED = { c = true, f = true, x = true }

function flows.is_ended(f)
  return ENDED[f[F.state]] or false
end

-- The earliest timer: its kind and time, or nil. Only `stage_expiry` is nobody's business but the store's.
function flows.next_timer(f)
  local kind, at = nil, 0
  local function look(candidate, time)
    if time > 0 and (kind == nil or time < at) then kind, at = candidate, time end
  end
  local letter = f[F.state]
  if letter == 'd' then look('draft_expiry', f[F.draft_expires]) end
  if (letter == 'o' or letter == 'l') and f[F.expiring] == 0 and f[F.open] > 0 then look('flow_deadline', f[F.deadline_at]) end
  if f[F.staging] ~= '' then look('stage_expiry', f[F.stage_expires]) end
  return kind, at
end

-- In which indexes it is.
function flows.project(f)
  local _, due = flows.next_timer(f)
  if f[F.state] == 's' then return { due = due, class = false, live = 0, unprojected = 0, kept = 0, walks = false } end
  local is_over = flows.is_ended(f) and f[F.open] == 0
  return {
    due = due,
    class = flows.is_ended(f) and 'ended' or 'open',
    live = f[F.live],
    unprojected = f[F.unprojected],
    kept = is_over and f[F.kept] or 0,
    walks = f[F.walk] > 0,
  }
end

flows.nothing = { due = 0, class = false, live = 0, unprojected = 0, kept = 0, walks = false }

-- To be called before the first change.
function flows.touch(u, f)
  if u.flows_dirty[f] == nil then
    u.flows_dirty[f] = flows.project(f)
    u.flows_dirty[#u.flows_dirty + 1] = f
  end
end

-- Something changed that its summary shows.
function flows.changed(u, f)
  flows.touch(u, f)
  f[F.change] = f[F.change] + 1
  f[F.changed_at] = u.now
  f[F.unprojected] = 1
end

-- A new one without members, in the order of `layouts.mjs`. `head`: [id, namespace, name, tags, deadline, shape, ids].
function flows.draft(u, head, letter)
  return {
    letter, head[2], head[3], u.now, 1, 1, 1, u.now, 0, 1, 1, {}, 0, 0, 0, 0, 0, head[5], 0, 0, 0, 0, '', 0, 0, -1, head[6],
    head[7], head[4], '', 0, 0, '', 0, '', 0, 0, '', 0, family.of_flow(head[8]),
  }
end

-- `d` or `o`, or `s`, which is told when it has become one of the others. Members come afterwards.
function flows.create(u, id, f)
  u.flows[id] = f
  u.flow_ids[f] = id
  u.flows_dirty[f] = flows.nothing
  u.flows_dirty[#u.flows_dirty + 1] = f
  if f[F.state] ~= 's' then
    events.flow(u, f, nil)
    if f[F.family] then family.flow_created(u, f) end
  end
end

-- The one writer of a flow's state.
function flows.set_state(u, f, letter)
  flows.changed(u, f)
  local before = f[F.state]
  f[F.state] = letter
  events.flow(u, f, before)
end

-- A flow's deadline runs from its release.
function flows.start_deadline(u, f)
  flows.touch(u, f)
  f[F.deadline_at] = f[F.deadline] == 0 and 0 or u.now + f[F.deadline]
end

-- One without members is kept as long as any; others as long as their youngest member, whose end says how long that is.
function flows.finish(u, f, letter)
  flows.touch(u, f)
  f[F.ended] = u.now
  if f[F.members] == 0 then f[F.kept] = u.now + 86400000 end
  flows.set_state(u, f, letter)
  hints.ended(u, 'f' .. u.flow_ids[f])
  if f[F.family] then family.flow_ended(u, f) end
end

-- It goes with this step; what else it has under keys is the caller's to remove.
function flows.remove(u, f)
  flows.touch(u, f)
  u.flows_gone[f] = true
end

-- What the changes of flows mean for keys and indexes.
function flows.stage(u, staged)
  local idx = u.key.idx
  for _, f in ipairs(u.flows_dirty) do
    local id, was = u.flow_ids[f], u.flows_dirty[f]
    local is_gone = u.flows_gone[f]
    local now = is_gone and flows.nothing or flows.project(f)
    if was.due ~= now.due then
      if now.due == 0 then staged.cut(idx .. 'timers', 'f' .. id)
      else
        staged.add(idx .. 'timers', now.due, 'f' .. id)
        hints.due(u, now.due)
      end
    end
    if was.class ~= now.class then
      if was.class then staged.cut(idx .. 'flows:' .. was.class .. ':' .. f[F.ns], id) end
      if now.class then staged.add(idx .. 'flows:' .. now.class .. ':' .. f[F.ns], f[F.created], id) end
    end
    if was.live ~= now.live then
      if now.live == 1 then staged.add(idx .. 'flow_index', 0, id) else staged.cut(idx .. 'flow_index', id) end
    end
    if was.unprojected ~= now.unprojected then
      if now.unprojected == 1 then staged.add(idx .. 'unprojected', 0, id) else staged.cut(idx .. 'unprojected', id) end
    end
    if was.walks ~= now.walks then
      if now.walks then staged.add(idx .. 'cancel_backlog', u.now, id) else staged.cut(idx .. 'cancel_backlog', id) end
    end
    if was.kept ~= now.kept and now.kept ~= 0 then retention.keep(staged, now.kept, 'f' .. id) end
    if is_gone then
      staged.unlinks[#staged.unlinks + 1] = flows.key(u, id)
    else
      staged.writes[#staged.writes + 1] = flows.key(u, id)
      staged.writes[#staged.writes + 1] = cmsgpack.pack(f)
    end
  end
  u.flows_dirty = {}
end
