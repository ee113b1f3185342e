-- The one place that writes. It works out everything, asks of every key that it will write whether it is of the right
-- type (and on a Cluster whether it is there), and only then writes: no error can leave a step half done.

local CHUNK = 1000

-- What is added to a sorted set and taken from it.
local function change_of(sets, key)
  local change = sets[key]
  if change == nil then
    change = { add = {}, cut = {} }
    sets[key] = change
    sets[#sets + 1] = key
  end
  return change
end

local function add(sets, key, score, member)
  local list = change_of(sets, key).add
  list[#list + 1] = score
  list[#list + 1] = member
end

local function cut(sets, key, member)
  local list = change_of(sets, key).cut
  list[#list + 1] = member
end

-- What changes for the executions of one route, gathered so that its keys are named once: its ready set, the listings of its
-- namespace by class, and how many there are by letter of the public state.
function flush.plan(staged, rid)
  local plan = staged.plans[rid]
  if plan == nil then
    plan = { rid = rid, add = {}, cut = {}, counts = {}, lists = {} }
    staged.plans[rid] = plan
    staged.plans[#staged.plans + 1] = plan
  end
  return plan
end

function flush.listing(u, staged, plan, class)
  local list = plan.lists[class]
  if list == nil then
    list = change_of(staged.sets, u.key.idx .. 'list:' .. class .. ':' .. routes.of(u, plan.rid).ns)
    plan.lists[class] = list
  end
  return list
end

-- The leases of one worker instance, with the earliest end of those that it got.
function flush.holder(u, staged, instance)
  local holder = staged.holders[instance]
  if holder == nil then
    holder = { change = change_of(staged.sets, u.key.idx .. 'instance:' .. instance), first = false }
    staged.holders[instance] = holder
  end
  return holder
end

-- What the changes of executions mean for the indexes.
local function stage_executions(u, staged)
  local dirty, slips, exec, timers_key = u.dirty, u.slips, u.key.exec, u.key.idx .. 'timers'
  local writes, unlinks, sets = staged.writes, staged.unlinks, staged.sets
  local rid, plan
  for nth = 1, #dirty do
    local x = dirty[nth]
    local s = slips[x]
    local id, is_gone = s[S.id], s[S.gone]
    if x[X.rid] ~= rid then
      rid = x[X.rid]
      plan = flush.plan(staged, rid)
    end
    local ready, score, timer, instance, expires, class, cell, kept
    if is_gone then ready, score, timer, instance, expires, class, cell, kept = project.nothing()
    else ready, score, timer, instance, expires, class, cell, kept = project.of(x) end
    if ready ~= s[S.ready] or (ready and score ~= s[S.score]) then
      local member = project.ready_member(x, id)
      if x[X.demands] then
        lines.moved(u, staged, x, id, member, s[S.ready], ready, score)
      elseif ready then
        local list = plan.add
        list[#list + 1] = score
        list[#list + 1] = member
      else
        plan.cut[#plan.cut + 1] = member
      end
    end
    if timer ~= s[S.timer] then
      if timer == 0 then
        cut(sets, timers_key, id)
      else
        add(sets, timers_key, timer, id)
        hints.due(u, timer)
      end
    end
    -- A lease that was renewed leaves an early entry, which is right; one that was given up and taken again in the same step may
    -- end before it.
    local held_by = s[S.instance]
    if instance ~= held_by or (instance and expires < s[S.expires]) then
      if held_by and held_by ~= instance then
        local list = flush.holder(u, staged, held_by).change.cut
        list[#list + 1] = id
      end
      if instance then
        local holder = flush.holder(u, staged, instance)
        local list = holder.change.add
        list[#list + 1] = expires
        list[#list + 1] = id
        if not holder.first or expires < holder.first then holder.first = expires end
      end
    end
    local listed = s[S.class]
    if class ~= listed then
      if listed then
        local list = flush.listing(u, staged, plan, listed).cut
        list[#list + 1] = id
      end
      if class then
        local list = flush.listing(u, staged, plan, class).add
        list[#list + 1] = x[X.created]
        list[#list + 1] = id
      end
    end
    local counted = s[S.cell]
    if cell ~= counted then
      local counts = plan.counts
      if counted then counts[counted] = (counts[counted] or 0) - 1 end
      if cell then counts[cell] = (counts[cell] or 0) + 1 end
    end
    if kept ~= s[S.kept] and kept ~= 0 then retention.keep(staged, kept, id) end
    s[S.dirty] = false
    if is_gone then
      staged.freed[rid] = true
    else
      local text = record.encode(u, s, x, writes, unlinks)
      local n = #writes
      writes[n + 1] = exec .. id .. ':core'
      writes[n + 2] = text
    end
  end
  u.dirty = {}
end

local function stage_strangers(u, staged)
  for _, stranger in ipairs(u.strangers) do
    local list = flush.plan(staged, stranger[1]).cut
    list[#list + 1] = stranger[2]
  end
  u.strangers = nil
end

local function each_chunk(list, size, visit)
  for from = 1, #list, size do visit(from, math.min(from + size - 1, #list)) end
end

-- Asks for the type of every key before the first write; keeps how many were ready.
local function probe(u, staged)
  local idx, counts, are_ready = u.key.idx, false, false
  for _, plan in ipairs(staged.plans) do
    if #plan.add + #plan.cut > 0 or plan.has_lines then
      plan.key = idx .. 'ready:' .. plan.rid
      plan.before = redis.call('ZCARD', plan.key)
      if u.lines then plan.before = plan.before + lines.count(u, plan.rid) end
      are_ready = true
    end
    counts = counts or next(plan.counts) ~= nil
  end
  if counts then redis.call('HLEN', idx .. 'counts') end
  if are_ready then redis.call('SCARD', idx .. 'ready_index') end
  for _, key in ipairs(staged.sets) do redis.call('ZCARD', key) end
  for key in pairs(staged.lists) do redis.call('LLEN', key) end
  for key in pairs(staged.hashes) do redis.call('HLEN', key) end
  for key in pairs(staged.dels) do redis.call('HLEN', key) end
  if #u.news.events > 0 then redis.call('XLEN', idx .. 'events') end
  if next(staged.holders) then redis.call('ZCARD', idx .. 'timers') end
  if call.has(u, 'tuples') then redis.call('SCARD', idx .. 'pending_cancel_groups') end
  if call.has(u, 'appends') then
    for _, each in ipairs(u.appends) do redis.call('STRLEN', each[1]) end
  end
  retention.probe(u, staged)
  if call.has(u, 'streams') then streams.probe(u) end
  if call.has(u, 'lines_met') then lines.probe(u) end
  if call.has(u, 'repairs') then reconcile.probe(u) end
  if next(staged.freed) or call.has(u, 'routes') then redis.call('HLEN', idx .. 'routes') end
  if u.fault then faults.probe(u, staged) end
end

-- Answers by how many members the set has grown.
local function write_change(key, change)
  local grown = 0
  each_chunk(change.cut, CHUNK, function(from, to) grown = grown - redis.call('ZREM', key, unpack(change.cut, from, to)) end)
  each_chunk(change.add, CHUNK, function(from, to) grown = grown + redis.call('ZADD', key, unpack(change.add, from, to)) end)
  return grown
end

flush.change = write_change

local function write_sets(sets)
  for _, key in ipairs(sets) do write_change(key, sets[key]) end
end

-- A ready set that was empty and is not any more is news for everybody who serves its route.
local function write_plans(u, plans)
  local counts, filled, emptied = u.key.idx .. 'counts', {}, {}
  for _, plan in ipairs(plans) do
    for letter, n in pairs(plan.counts) do
      local field = plan.rid .. '.' .. letter
      if n ~= 0 and redis.call('HINCRBY', counts, field, n) == 0 then redis.call('HDEL', counts, field) end
    end
    if plan.key then
      local before, after = plan.before, plan.before + write_change(plan.key, plan)
      if plan.has_lines then after = after + lines.grown(u, plan.rid) end
      if after > 0 then hints.ready(u, plan.rid, after, before == 0) else hints.empty(u, plan.rid) end
      if before == 0 and after > 0 then filled[#filled + 1] = plan.rid end
      if before > 0 and after == 0 then emptied[#emptied + 1] = plan.rid end
    end
  end
  if #filled > 0 then
    u.edges = u.edges + 1
    u.edges_moved = true
    redis.call('SADD', u.key.idx .. 'ready_index', unpack(filled))
  end
  if #emptied > 0 then redis.call('SREM', u.key.idx .. 'ready_index', unpack(emptied)) end
end

local function write_numbers(u)
  local fields = {}
  if u.seq_moved then fields[#fields + 1] = 'seq' fields[#fields + 1] = u.seq end
  if u.events_moved then fields[#fields + 1] = 'events' fields[#fields + 1] = u.events end
  if u.edges_moved then fields[#fields + 1] = 'edges' fields[#fields + 1] = u.edges end
  if #fields > 0 then redis.call('HSET', u.key.meta, unpack(fields)) end
  u.seq_moved, u.events_moved, u.edges_moved = nil, nil, nil
end

-- Most calls change executions alone: what none of them asked for is not looked at.
local function stage_others(u, staged)
  if call.has(u, 'gone') then removal.stage(u, staged) end
  if call.has(u, 'flows_dirty') then flows.stage(u, staged) end
  if call.has(u, 'groups_dirty') then groups.stage(u, staged) end
  if call.has(u, 'links') or call.has(u, 'names') then graph.stage(u, staged) end
  if call.has(u, 'stages') then staging.stage(u, staged) end
  if call.has(u, 'messages') then demands.stage(u) end
  if call.has(u, 'entries') or call.has(u, 'parked') then outbox.stage(u, staged) end
  aside.stage(u, staged)
  if call.has(u, 'strangers') then stage_strangers(u, staged) end
  if call.has(u, 'histories') then attempts.stage(u, staged) end
  journals.stage(u, staged)
  if call.has(u, 'streams') then streams.stage(u, staged) end
  timers.stage(u, staged)
  lanes.stage(u, staged)
  if call.has(u, 'lines_met') then lines.stage(u, staged) end
end

-- What the flush will write, as far as it is known.
function flush.staged(u)
  local staged = rawget(u, 'staged')
  if staged == nil then
    staged = {
      plans = {}, holders = {}, sets = {}, lists = {}, hashes = {}, dels = {}, writes = {}, unlinks = {}, freed = {}, kept = {}, slots = {},
    }
    staged.add = function(key, score, member) add(staged.sets, key, score, member) end
    staged.cut = function(key, member) cut(staged.sets, key, member) end
    u.staged = staged
  end
  return staged
end

-- Whether a call that changes executions and lanes alone has anything to write.
function flush.is_needed(u)
  return #u.dirty > 0 or call.has(u, 'staged') or call.has(u, 'strangers') or call.has(u, 'lanes_dirty') or call.has(u, 'lines_met')
    or call.has(u, 'entries')
end

function flush.run(u)
  local staged = flush.staged(u)
  u.staged = nil
  stage_executions(u, staged)
  stage_others(u, staged)
  for _, holder in pairs(staged.holders) do
    if holder.first then hints.due(u, holder.first) end
  end
  probe(u, staged)
  hints.judge_due(u)

  each_chunk(staged.writes, CHUNK, function(from, to) redis.call('MSET', unpack(staged.writes, from, to)) end)
  if call.has(u, 'appends') then
    for _, each in ipairs(u.appends) do redis.call('APPEND', each[1], each[2]) end
    u.appends = nil
  end
  each_chunk(staged.unlinks, CHUNK, function(from, to) redis.call('UNLINK', unpack(staged.unlinks, from, to)) end)
  write_sets(staged.sets)
  if call.has(u, 'lines_met') then lines.write(u) end
  write_plans(u, staged.plans)
  u.lines_met = nil
  routes.write(u, staged)
  removal.write(u)
  if call.has(u, 'repairs') then reconcile.write(u) end
  for instance, holder in pairs(staged.holders) do
    if holder.first then redis.call('ZADD', u.key.idx .. 'timers', 'LT', holder.first, 'i' .. instance) end
  end
  if call.has(u, 'instances') then timers.replace(u) end
  for key, items in pairs(staged.lists) do redis.call('RPUSH', key, unpack(items)) end
  retention.write(u, staged)
  for key, fields in pairs(staged.hashes) do redis.call('HSET', key, unpack(fields)) end
  for key, fields in pairs(staged.dels) do redis.call('HDEL', key, unpack(fields)) end
  if call.has(u, 'streams') then streams.write(u) end
  if call.has(u, 'tuples') then
    for _, tuple in ipairs(u.tuples) do
      redis.call(tuple[2] and 'SADD' or 'SREM', u.key.idx .. 'pending_cancel_groups', tuple[1])
    end
    u.tuples = nil
  end
  events.write(u)
  write_numbers(u)
  u.has_written = true
end
