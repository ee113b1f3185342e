-- Compares records with the indexes that they are in, both ways: what a record demands is there, and what is there belongs to
-- a record. Indexes follow from records, so they are set right; what no index shows is only named.

local LEASES_MAX = 200
-- So long another partition may take to tell what is waited for.
local TOLD_WITHIN_MS = 15000
local CLASSES = { 'open', 'ended', 'bad' }

local function tell(u, word, kind, id, finding)
  u.findings[#u.findings + 1] = { word, kind, id, finding }
end

local function score_of(u, name, member)
  return tonumber(redis.call('ZSCORE', u.key.idx .. name, member) or '')
end

-- What the indexes hold for an execution, in the form of `project.of`, with what is wrong about it.
local function observe(u, id, x, now)
  local seen, wrong = {}, {}
  for place = W.ready, W.kept do seen[place] = now[place] end
  local function found(finding) wrong[#wrong + 1] = finding end
  local queued = score_of(u, x[X.demands] and lines.queue(x) or 'ready:' .. x[X.rid], project.ready_member(x, id))
  if x[X.demands] and x[X.elig] ~= 'e' then
    local place = now[W.ready]
    if place and lines.get(u, string.sub(place, 2)).head ~= id then
      seen[W.ready] = false
      found('its line is not parked')
    elseif queued and not place then
      seen[W.ready] = x[X.demands][D.line]
      found('it is among the claimable, and is not')
    end
  elseif now[W.ready] and queued ~= now[W.score] then
    seen[W.ready], seen[W.score] = queued and now[W.ready] or false, queued or 0
    found('it is not where its claim would look for it')
  elseif queued and not now[W.ready] then
    seen[W.ready] = x[X.rid]
    found('it is among the claimable, and is not')
  end
  local due = score_of(u, 'timers', id)
  if now[W.timer] ~= 0 and (due == nil or due > now[W.timer]) then
    seen[W.timer] = due or 0
    found('its next timer was not set')
  elseif due and now[W.timer] == 0 then
    seen[W.timer] = due
    found('a timer is set, and nothing is waited for')
  end
  if now[W.instance] then
    local leased, first = score_of(u, 'instance:' .. now[W.instance], id), score_of(u, 'timers', 'i' .. now[W.instance])
    -- Early ones are right: they find the lease renewed, and are set again.
    if leased == nil or leased > now[W.expires] or first == nil or first > leased then
      seen[W.instance] = false
      found("its lease's timer was not set")
    end
  end
  if now[W.kept] ~= 0 and now[W.kept] + 60000 <= u.now and not retention.has(u, now[W.kept], id) then
    seen[W.kept] = 0
    found('nobody would remove it')
  end
  return seen, wrong
end

local function observe_listing(u, id, x, now, seen, wrong)
  local ns = routes.of(u, x[X.rid]).ns
  for _, class in ipairs(CLASSES) do
    local name = 'list:' .. class .. ':' .. ns
    local at = score_of(u, name, id)
    if class == now[W.class] and at ~= x[X.created] then
      seen[W.class] = false
      wrong[#wrong + 1] = 'it is not listed'
    elseif class ~= now[W.class] and at then
      u.repairs[#u.repairs + 1] = { 'ZREM', u.key.idx .. name, id }
      wrong[#wrong + 1] = 'it is listed among others too'
    end
  end
end

local function count(cells, letter)
  local _, n = string.gsub(cells, letter, '')
  return n
end

local function check_group(u, id, x)
  local function violation(finding) tell(u, 'violation', 'x', id, finding) end
  local is_sound, f, g
  is_sound, f = sound.try(flows.get_any, u, x[X.flow])
  if not is_sound then return violation('the record of its flow does not decode') end
  if not f and not removal.is_leaving(u, x[X.flow]) then return violation('its flow is not there') end
  is_sound, g = sound.try(groups.get, u, id)
  if not is_sound then return violation('its group does not decode') end
  if x[X.phase] == 'r' then
    if x[X.deps] == 1 and (not g or g[G.released] == 1) then
      violation('it is blocked by dependencies, and no group will let it go')
    elseif x[X.deps] == 0 and g and g[G.released] == 0 then
      violation('its group did not let it go, and it is not blocked by it')
    end
  end
  if not g then return end
  local cells = g[G.cells]
  if #cells ~= g[G.n] or count(cells, 's') ~= g[G.ok] or count(cells, 'f') ~= g[G.failed] or count(cells, 'k') ~= g[G.skipped] then
    violation('the counters of its group are not those of its edges')
  end
end

-- No finding: most that wait long are waiting for what takes long.
local function ask_again(u, x)
  if not suspending.stands(x) or x[X.waits][V.since] + TOLD_WITHIN_MS > u.now then return end
  local is_sound, doc = sound.try(suspending.read, u, x)
  if is_sound then family.await_again(u, x, doc[5]) end
end

local function note_refused(u, x)
  local d = x[X.demands]
  if not d or d[D.refused] == 0 or (x[X.elig] ~= 'q' and x[X.elig] ~= 'b') then return end
  local kind, id, key, since, token = unpack(d[D.refused])
  if since + TOLD_WITHIN_MS <= u.now then u.refused_heads[#u.refused_heads + 1] = { d[D.line], kind, id, key, token } end
end

function reconcile.execution(u, id, x)
  if u.checked[id] then return end
  u.checked[id] = true
  u.vectors[#u.vectors + 1] = { id, table.concat({ x[X.phase], x[X.own], x[X.elig], x[X.why], x[X.out], x[X.att] }) }
  if not sound.try(routes.of, u, x[X.rid]) then return tell(u, 'violation', 'x', id, 'its route is not known') end
  local now = { project.of(x) }
  local seen, wrong = observe(u, id, x, now)
  observe_listing(u, id, x, now, seen, wrong)
  if #wrong > 0 then
    record.correct(u, x, seen)
    tell(u, 'repaired', 'x', id, table.concat(wrong, '; '))
  end
  if x[X.flow] ~= '' then check_group(u, id, x) end
  ask_again(u, x)
  note_refused(u, x)
end

function reconcile.flow(u, id, f)
  if u.checked[id] then return end
  u.checked[id] = true
  local now, seen, wrong = flows.project(f), {}, {}
  for name, value in pairs(now) do seen[name] = value end
  local due = score_of(u, 'timers', 'f' .. id)
  if (now.due ~= 0 and (due == nil or due > now.due)) or (due and now.due == 0) then
    seen.due = due or 0
    wrong[#wrong + 1] = 'its timer is not what it waits for'
  end
  if now.class and score_of(u, 'flows:' .. now.class .. ':' .. f[F.ns], id) ~= f[F.created] then
    seen.class = false
    wrong[#wrong + 1] = 'it is not listed'
  end
  local is_live, is_unprojected = score_of(u, 'flow_index', id), score_of(u, 'unprojected', id)
  if (is_live and 1 or 0) ~= now.live or (is_unprojected and 1 or 0) ~= now.unprojected then
    seen.live, seen.unprojected = is_live and 1 or 0, is_unprojected and 1 or 0
    wrong[#wrong + 1] = 'the projector does not visit it as it should'
  end
  if now.kept ~= 0 and now.kept + 60000 <= u.now and not retention.has(u, now.kept, 'f' .. id) then
    seen.kept = 0
    wrong[#wrong + 1] = 'nobody would remove it'
  end
  if #wrong == 0 then return end
  u.flows_dirty[f] = seen
  u.flows_dirty[#u.flows_dirty + 1] = f
  tell(u, 'repaired', 'f', id, table.concat(wrong, '; '))
end

-- An entry of an index whose record is not there, or has nothing to do with it.
local function cut(u, name, member, kind, id)
  u.repairs[#u.repairs + 1] = { 'ZREM', u.key.idx .. name, member }
  tell(u, 'repaired', kind, id, 'an entry of ' .. string.match(name, '^[a-z_]+') .. ' was about nothing')
end

-- ---- What the entries of each index are about

function reconcile.instance(u, instance)
  local name = 'instance:' .. instance
  local ids = redis.call('ZRANGE', u.key.idx .. name, 0, LEASES_MAX - 1)
  record.load(u, ids, u.bad)
  for _, id in ipairs(ids) do
    local x = u.records[id]
    if x and x[X.phase] == 'a' and x[X.attempt][A.instance] == instance then reconcile.execution(u, id, x)
    elseif not u.bad[id] then cut(u, name, id, 'x', id) end
  end
end

-- `name` is of a sorted set of executions or flows, `members` some of its members.
function reconcile.entries(u, name, list)
  local family, rid = string.match(name, '^([a-z_]+):?(.*)$')
  local executions, others = {}, {}
  for _, member in ipairs(list) do
    local id = family == 'ready' and string.sub(member, 12) or member
    if family == 'list' or family == 'ready' or (family == 'timers' and #member == 36) then
      executions[#executions + 1] = { id, member }
    else
      others[#others + 1] = member
    end
  end
  local ids = {}
  for place, each in ipairs(executions) do ids[place] = each[1] end
  record.load(u, ids, u.bad)
  for place, id in ipairs(ids) do
    local x = u.records[id]
    if x and family == 'ready' and (x[X.rid] ~= rid or project.ready_member(x, id) ~= executions[place][2]) then
      u.strangers[#u.strangers + 1] = { rid, executions[place][2] }
      tell(u, 'repaired', 'x', id, 'it is among the claimable of another route')
    elseif x then
      reconcile.execution(u, id, x)
    elseif u.bad[id] then
      if not u.checked[id] then tell(u, 'violation', 'x', id, 'its record does not decode') end
      u.checked[id] = true
    elseif family == 'ready' then
      u.strangers[#u.strangers + 1] = { rid, executions[place][2] }
      tell(u, 'repaired', 'x', id, 'an entry of ready was about nothing')
    elseif not u.hidden[id] then
      cut(u, name, id, 'x', id)
    end
  end
  for _, member in ipairs(others) do
    if family == 'timers' and string.sub(member, 1, 1) == 'i' then
      reconcile.instance(u, string.sub(member, 2))
    else
      local id = family == 'timers' and string.sub(member, 2) or member
      local is_sound, f = sound.try(flows.get_any, u, id)
      if not is_sound then tell(u, 'violation', 'f', id, 'its record does not decode')
      elseif f then reconcile.flow(u, id, f)
      else cut(u, name, member, 'f', id) end
    end
  end
end

-- ---- Part of the flush

function reconcile.probe(u)
  for _, repair in ipairs(u.repairs) do redis.call(repair[1] == 'ZREM' and 'ZCARD' or 'SCARD', repair[2]) end
end

function reconcile.write(u)
  for _, repair in ipairs(u.repairs) do redis.call(repair[1], repair[2], repair[3]) end
  u.repairs = {}
end
